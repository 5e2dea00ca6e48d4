//! What an engine that we start is asked for, so that it can be relayed.

use std::net::{Ipv4Addr, TcpListener};

use dynamo_host_plugin::Setup;
use serde_json::{Map, Value};

/// SGLang's flag.
const FLAG: &str = "--kv-events-config";
/// Where operators leave the addresses to us.
const AUTO: &str = "auto";
/// Flags with the number of ranks, all spellings.
const RANKS: [&str; 4] = ["--dp-size", "--dp", "--data-parallel-size", "--attn-dp-size"];

/// Completes `--kv-events-config` among the engine's `words`, on free ports of loopback: `auto`
/// becomes a configuration, and one without a `replay_endpoint` gets one, so that what the engine
/// publishes before we listen is not lost. Anything else is the operator's.
pub fn arrange_kv_events(words: &mut [String]) {
    let Some((at, prefix)) = find(words) else { return };
    let Some(given) = words[at].strip_prefix(prefix.as_str()) else { return };
    let mut config = match given {
        AUTO => Map::from_iter([("publisher".to_owned(), "zmq".into())]),
        json => match serde_json::from_str(json) {
            Ok(Value::Object(config)) => config,
            _ => return,
        },
    };
    if config.get("publisher").and_then(Value::as_str) != Some("zmq") {
        return;
    }
    let ranks = ranks(words);
    for name in ["endpoint", "replay_endpoint"] {
        // Without the endpoint Dynamo's worker refuses to start, and so do we.
        let wanted = given == AUTO || name == "replay_endpoint";
        if wanted
            && !config.contains_key(name)
            && let Some(port) = free_ports(ranks)
        {
            config.insert(name.to_owned(), format!("tcp://127.0.0.1:{port}").into());
        }
    }
    words[at] = format!("{prefix}{}", Value::Object(config));
}

/// The word that holds the flag's value, and what stands before the value in it.
fn find(words: &[String]) -> Option<(usize, String)> {
    let inline = format!("{FLAG}=");
    let at = words.iter().rposition(|word| word == FLAG || word.starts_with(&inline))?;
    if words[at] == FLAG {
        return (at + 1 < words.len()).then(|| (at + 1, String::new()));
    }
    Some((at, inline))
}

fn ranks(words: &[String]) -> u16 {
    let number = |at: usize| words.get(at + 1).and_then(|word| word.parse::<u16>().ok());
    let named = |word: &String| RANKS.contains(&word.as_str());
    let each = words.iter().enumerate().filter(|(_, word)| named(word));
    each.filter_map(|(at, _)| number(at)).fold(1, u16::saturating_mul)
}

/// The first of `count` ports in a row on which nobody listens at this moment.
fn free_ports(count: u16) -> Option<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    (0..100).find_map(|_| {
        let first = bind(0).ok()?.local_addr().ok()?.port();
        let last = first.checked_add(count.checked_sub(1)?)?;
        (first..=last).all(|port| bind(port).is_ok()).then_some(first)
    })
}

/// Has SGLang publish the metrics of its forward passes under the worker's id, where the operator
/// wants them (`DYN_FORWARDPASS_METRIC_PORT`, whatever its value).
pub fn arrange_forward_pass(setup: &mut Setup, worker: u64, scratch: &str) {
    let wanted = std::env::var("DYN_FORWARDPASS_METRIC_PORT").is_ok_and(|port| !port.is_empty());
    if wanted && setup.program.iter().any(|word| word.starts_with("sglang")) {
        let socket = format!("ipc://{scratch}/forward-passes");
        setup.arguments.extend([
            "--enable-forward-pass-metrics".to_owned(),
            "--forward-pass-metrics-worker-id".to_owned(),
            worker.to_string(),
            "--forward-pass-metrics-ipc-name".to_owned(),
            socket,
        ]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn arranged(line: &str) -> Vec<String> {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        arrange_kv_events(&mut words);
        words
    }

    fn config(word: &str) -> Value {
        serde_json::from_str(word).unwrap()
    }

    #[test]
    fn a_late_subscriber_can_ask() {
        let words =
            arranged(r#"--kv-events-config {"publisher":"zmq","endpoint":"tcp://*:1"} --x"#);
        let config = config(&words[1]);
        assert_eq!(config["endpoint"], "tcp://*:1");
        assert!(config["replay_endpoint"].as_str().unwrap().starts_with("tcp://127.0.0.1:"));
        assert_eq!(words[2], "--x");
    }

    #[test]
    fn the_addresses_can_be_left_to_us() {
        let words = arranged("--kv-events-config=auto --dp-size 2");
        let config = config(words[0].strip_prefix("--kv-events-config=").unwrap());
        assert_eq!(config["publisher"], "zmq");
        assert_ne!(config["endpoint"], config["replay_endpoint"]);
    }

    #[test]
    fn what_the_operator_says_stays() {
        for line in [
            r#"--kv-events-config {"publisher":"null"}"#,
            r#"--kv-events-config {"endpoint":"tcp://*:1","publisher":"zmq","replay_endpoint":"tcp://*:2"}"#,
            "--kv-events-config nonsense",
            "--kv-events-config",
            "--other auto",
        ] {
            assert_eq!(arranged(line).join(" "), line);
        }
        // Its absence is an error, in Dynamo as here.
        let words = arranged(r#"--kv-events-config {"publisher":"zmq"}"#);
        assert!(config(&words[1]).get("endpoint").is_none());
    }

    #[test]
    fn ports_are_for_every_rank() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ranks(&words("--dp-size 2 --attn-dp-size 4")), 8);
        assert_eq!(ranks(&words("--tp 4")), 1);
        assert!(free_ports(4).is_some());
    }
}
