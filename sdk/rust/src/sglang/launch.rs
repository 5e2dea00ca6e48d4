//! How SGLang's server is started and met.

use super::server::{MODEL_INFO, SERVER_INFO};
use crate::{Contact, Error, Result, Setup, Start};

/// How to meet a running server. `/ready` answers without generating anything; `/health` would take
/// a second each time. A node of an engine that another node leads has a server that knows `/health`
/// only, and answers it at once.
pub fn contact(arguments: &[String]) -> Contact {
    let rank = value_of(arguments, "--node-rank").and_then(|rank| rank.parse::<u32>().ok());
    Contact::ready_at(if rank > Some(0) { "/health" } else { "/ready" })
        .metrics("/metrics", "sglang:")
        .report(SERVER_INFO)
        .report(MODEL_INFO)
        .model_file("config.json")
        .model_file("tokenizer_config.json")
        .model_file("generation_config.json")
}

/// Makes sure that the operator's words have a flag the worker type needs.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) if they give it another value.
pub fn require_flag(arguments: &mut Vec<String>, flag: &str, value: &str) -> Result<()> {
    match value_of(arguments, flag) {
        Some(given) if given == value => {}
        Some(given) => {
            return Err(Error::invalid_request(format!(
                "{flag} {given}: this worker type needs {flag} {value}"
            )));
        }
        None => arguments.extend([flag.to_owned(), value.to_owned()]),
    }
    Ok(())
}

/// Makes sure that the operator's words have a switch the worker type needs.
pub fn require_switch(arguments: &mut Vec<String>, switch: &str) {
    if !arguments.iter().any(|word| word == switch) {
        arguments.push(switch.to_owned());
    }
}

/// Refuses a `--disaggregation-mode` that is another worker type's, before the engine loads a model
/// for nothing. What stands in a configuration file of SGLang's own is seen once the engine reports.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) for a mode that is none of `modes`.
pub fn check_mode(arguments: &[String], modes: &[&str]) -> Result<()> {
    match value_of(arguments, "--disaggregation-mode") {
        Some(given) if !modes.contains(&given) => Err(Error::invalid_request(format!(
            "--disaggregation-mode {given}: this worker type serves {} only",
            modes.join(" and ")
        ))),
        _ => Ok(()),
    }
}

/// The value of a flag, `--flag value` or `--flag=value`; of several, SGLang takes the last.
pub fn value_of<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let mut value = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == flag {
            value = words.next().map(String::as_str);
        } else if let Some(given) = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('='))
        {
            value = Some(given);
        }
    }
    value
}

/// The server's command line: the model, the operator's words as they are, and last what the host
/// depends on, so that it wins over the same flags among the operator's.
///
/// The server keeps its tokenizer although it is asked with token ids: grammars, minimum lengths and
/// thinking budgets need it. Operators who need none of them can add `--skip-tokenizer-init`.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) without a model path.
pub fn setup(start: Start) -> Result<Setup> {
    let Some(model) = start.model_path else {
        return Err(Error::invalid_request("SGLang needs a model: give --model-path"));
    };
    // Whoever has the server listen everywhere has a reason, such as decode engines on other
    // machines; the host finds it there too.
    let everywhere =
        value_of(&start.arguments, "--host").filter(|host| ["0.0.0.0", "::"].contains(host));
    let host = everywhere.map_or(start.host, str::to_owned);
    let contact = contact(&start.arguments);
    let mut setup = Setup::new(["python3", "-m", "sglang.launch_server"], contact)
        .argument("--model-path", model)
        .arguments(start.arguments);
    if let Some(name) = start.served_name {
        setup = setup.argument("--served-model-name", name);
    }
    Ok(setup
        .argument("--host", host)
        .argument("--port", start.port)
        .flag("--incremental-streaming-output"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn start(model_path: Option<&str>) -> Start {
        Start {
            settings: b"{}".to_vec(),
            model_path: model_path.map(str::to_owned),
            served_name: Some("tiny".into()),
            arguments: vec!["--page-size".into(), "16".into()],
            host: "127.0.0.1".into(),
            port: 28200,
            scratch: "/scratch".into(),
        }
    }

    #[test]
    fn our_words_come_last() {
        let setup = setup(start(Some("m"))).unwrap();
        assert_eq!(
            setup.arguments.join(" "),
            "--model-path m --page-size 16 --served-model-name tiny --host 127.0.0.1 --port 28200 \
             --incremental-streaming-output"
        );
    }

    #[test]
    fn a_node_that_is_led_is_met_where_it_answers() {
        for (rank, ready) in [("0", "/ready"), ("1", "/health")] {
            let mut start = start(Some("m"));
            start.arguments = vec![format!("--node-rank={rank}")];
            assert_eq!(setup(start).unwrap().contact.ready, ready);
        }
    }

    #[test]
    fn the_operator_may_open_the_server() {
        for (word, host) in [("--host=0.0.0.0", "0.0.0.0"), ("--host=10.0.0.7", "127.0.0.1")] {
            let mut start = start(Some("m"));
            start.arguments.push(word.into());
            assert_eq!(value_of(&setup(start).unwrap().arguments, "--host"), Some(host));
        }
    }

    #[test]
    fn a_flag_that_must_be_there() {
        let words =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for given in [words(&[]), words(&["--mode", "prefill"]), words(&["--mode=prefill"])] {
            let mut arguments = given;
            require_flag(&mut arguments, "--mode", "prefill").unwrap();
            assert_eq!(value_of(&arguments, "--mode"), Some("prefill"));
        }
        assert!(require_flag(&mut words(&["--mode=decode"]), "--mode", "prefill").is_err());
    }

    #[test]
    fn modes_of_other_workers() {
        let check = |word: &str| check_mode(&[word.to_owned()], &["null", "decode"]);
        assert!(check("--disaggregation-mode=decode").is_ok());
        assert!(check("--page-size=16").is_ok());
        assert!(check("--disaggregation-mode=prefill").is_err());
    }

    #[test]
    fn no_model_no_engine() {
        assert!(setup(start(None)).is_err());
    }
}
