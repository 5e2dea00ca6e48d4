//! Telling the host's own words on the command line from the engine's.
//!
//! The engine's flags are not ours to know: whatever is not one of ours goes to it verbatim and in
//! order. Clap cannot do that among its own flags, so the words are sorted before it sees them.

use clap::{ArgAction, Command};

/// The words of one command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The program's name and the flags `own` knows.
    pub(super) host: Vec<String>,
    /// Everything else.
    pub(super) engine: Vec<String>,
}

/// Sorts `words`, the first of which is the program's name. Words after `--` are the engine's.
pub(super) fn split(own: &Command, words: impl IntoIterator<Item = String>) -> Words {
    let mut words = words.into_iter();
    let mut host: Vec<String> = words.next().into_iter().collect();
    let mut engine = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            engine.extend(words);
            break;
        }
        match takes_value(own, &word) {
            None => engine.push(word),
            Some(false) => host.push(word),
            Some(true) => {
                host.push(word);
                host.extend(words.next());
            }
        }
    }
    Words { host, engine }
}

/// Whether `word` is a flag of ours and, if so, whether the next word is its value.
fn takes_value(own: &Command, word: &str) -> Option<bool> {
    if word == "-h" || word == "--help" || word == "-V" || word == "--version" {
        return Some(false);
    }
    let (name, value) = match word.strip_prefix("--")?.split_once('=') {
        Some((name, _)) => (name, true),
        None => (word.strip_prefix("--")?, false),
    };
    let argument = own.get_arguments().find(|argument| {
        argument.get_long() == Some(name)
            || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })?;
    Some(!value && matches!(argument.get_action(), ArgAction::Set | ArgAction::Append))
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn sorted(line: &str) -> (String, String) {
        let own = Command::new("host")
            .arg(Arg::new("plugin").long("plugin"))
            .arg(Arg::new("model").long("model-path").alias("model"))
            .arg(Arg::new("quiet").long("quiet").action(ArgAction::SetTrue));
        let words = split(&own, line.split(' ').map(String::from));
        (words.host.join(" "), words.engine.join(" "))
    }

    #[test]
    fn flags_we_do_not_know_go_to_the_engine_in_order() {
        let (host, engine) =
            sorted("host --tp 2 --plugin=a --quiet --trust-remote-code --model m --x=1 --tp 3");
        assert_eq!(host, "host --plugin=a --quiet --model m");
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
}
