use super::*;

fn own() -> Command {
    let switch = |name: &'static str| Arg::new(name).long(name);
    Command::new("host")
        .arg(Arg::new("plugin").long("plugin").env("PLUGIN"))
        .arg(Arg::new("model").long("model-path").alias("model"))
        .arg(switch("quiet").env("QUIET").action(ArgAction::SetTrue))
        .arg(switch("no-hiding").env("HIDING").action(ArgAction::SetFalse))
        .arg(switch("maybe").require_equals(true).num_args(0..=1).env("MAYBE"))
        .arg(switch("colours").num_args(0..).env("COLOURS"))
        .arg(switch("route").action(ArgAction::Append).env("ROUTES"))
        .arg(switch("grant").action(ArgAction::Append).value_delimiter(',').env("GRANTS"))
}

fn sorted_in(line: &str, variables: &[(&str, &str)]) -> Words {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    sort(&own(), line.split(' ').map(String::from), &variables.collect())
}

fn sorted(line: &str) -> (String, String) {
    let words = sorted_in(line, &[]);
    (words.host.join(" "), words.engine.join(" "))
}

#[test]
fn flags_we_do_not_know_go_to_the_engine_in_order() {
    let (host, engine) =
        sorted("host --tp 2 --plugin=a --quiet --trust-remote-code --model m --x=1 --tp 3");
    assert_eq!(host, "host --plugin=a --model m --quiet");
    assert_eq!(engine, "--tp 2 --trust-remote-code --x=1 --tp 3");
}

#[test]
fn words_after_two_dashes_are_the_engines_whatever_they_are() {
    assert_eq!(sorted("host -- --plugin a"), ("host".into(), "--plugin a".into()));
}

#[test]
fn a_value_that_looks_like_a_flag_stays_with_its_flag() {
    assert_eq!(sorted("host --plugin --tp"), ("host --plugin --tp".into(), String::new()));
}

#[test]
fn the_last_form_of_a_switch_counts() {
    for (line, host) in [
        ("host --quiet", "host --quiet"),
        ("host --no-quiet", "host"),
        ("host --no-quiet --quiet", "host --quiet"),
        ("host --hiding", "host"),
        ("host --no-hiding", "host --no-hiding"),
        ("host --maybe", "host --maybe=true"),
        ("host --no-maybe", "host --maybe=false"),
        ("host --quiet=1", "host --quiet=1"),
    ] {
        assert_eq!(sorted(line), (host.into(), String::new()), "{line}");
    }
    assert_eq!(sorted("host --no-plugin"), ("host".into(), "--no-plugin".into()));
}

#[test]
fn a_list_ends_where_a_flag_begins() {
    let (host, engine) = sorted("host --colours red green --tp 2");
    assert_eq!(host, "host --colours red green");
    assert_eq!(engine, "--tp 2");
}

#[test]
fn variables_say_what_the_command_line_does_not() {
    for (line, variables, host) in [
        ("host", [("PLUGIN", "a")], "host --plugin=a"),
        ("host --plugin b", [("PLUGIN", "a")], "host --plugin b"),
        ("host", [("QUIET", "Yes")], "host --quiet"),
        ("host --no-quiet", [("QUIET", "1")], "host"),
        ("host", [("QUIET", "perhaps")], "host"),
        ("host", [("HIDING", "0")], "host --no-hiding"),
        ("host", [("HIDING", "1")], "host"),
        ("host", [("MAYBE", "0")], "host --maybe=false"),
        ("host", [("COLOURS", "red green")], "host --colours red green"),
        ("host", [("ROUTES", "a  b")], "host --route=a --route=b"),
        ("host", [("GRANTS", "a,b")], "host --grant=a,b"),
        ("host", [("PLUGIN", "")], "host"),
    ] {
        let words = sorted_in(line, &variables);
        assert_eq!(words.host.join(" "), host, "{line} {variables:?}");
    }
}

#[test]
fn it_is_known_where_a_flag_comes_from() {
    let given = sorted_in("host --no-quiet --model=m", &[("PLUGIN", "a")]).given;
    assert_eq!(given.name("quiet"), "--no-quiet");
    assert_eq!(given.name("model"), "--model");
    assert_eq!(given.name("plugin"), "PLUGIN");
    assert_eq!(given.name("no_flag"), "--no-flag");
    assert!(given.origin("route").is_none());
}
