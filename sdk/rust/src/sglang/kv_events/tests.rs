#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::sglang::ranks;

/// The recorded vectors whose names begin with `prefix`.
fn vectors(prefix: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/kv_and_metrics.json");
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found: Vec<Value> = all
        .into_iter()
        .filter(|vector| vector["name"].as_str().unwrap().starts_with(prefix))
        .collect();
    assert!(!found.is_empty(), "{prefix}");
    found
}

fn server(info: &Value) -> ServerInfo {
    serde_json::from_value(info.clone()).unwrap()
}

fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// The sockets as Dynamo subscribed to them.
#[test]
fn subscriptions_are_as_recorded() {
    for vector in vectors("kv_event_subscriptions/") {
        let name = &vector["name"];
        let input = &vector["input"];
        let address = bracketed(input["local_ip"].as_str().unwrap());
        let events = KvEvents::of(&server(&input["server_args"]), &address);
        if vector["expected"]["error"].is_object() {
            assert_eq!(events.unwrap_err().kind(), crate::Kind::InvalidRequest, "{name}");
            continue;
        }
        let events = events.unwrap().unwrap();
        let used = input["dynamo_args"]["use_kv_events"] == true;
        let subscribed = events.sources.iter().filter(|source| source.endpoint.is_some());
        let subscribed: Vec<Value> = subscribed
            .map(|source| {
                json!({
                    "zmq_endpoint": source.endpoint, "dp_rank": source.rank,
                    "kv_block_size": events.block_size,
                })
            })
            .collect();
        let expected = vector["expected"]["publishers"].as_array().unwrap().iter();
        let expected: Vec<Value> = expected
            .map(|publisher| {
                json!({
                    "zmq_endpoint": publisher["zmq_endpoint"], "dp_rank": publisher["dp_rank"],
                    "kv_block_size": publisher["kv_block_size"],
                })
            })
            .collect();
        assert_eq!(subscribed, if used { expected } else { Vec::new() }, "{name}");
    }
}

#[test]
fn capacity_is_as_recorded() {
    for vector in vectors("capacity/") {
        let mut info = vector["input"]["server_args"].clone();
        for (name, value) in vector["input"]["scheduler_info"].as_object().unwrap() {
            info[name] = value.clone();
        }
        let server = server(&info);
        let ranks = Ranks::of(&server);
        let local = ranks.local();
        assert_eq!(
            json!({
                "dp_layout": [ranks.count, ranks.split_attention],
                "local_dp_rank_bounds": [local.start, local.end],
                "model_card_dp_rank_bounds": [0, ranks.count],
                "publishes_kv_events": ranks.publishes_kv_events(),
                "kv_event_block_size": ranks::kv_cache_block_size(&server),
                "per_rank_max_running_requests":
                    server.max_running_requests.map(|all| ranks.requests(all)),
                "runtime_capacity": {
                    "total_kv_blocks": ranks::total_kv_blocks(&server),
                    "max_num_seqs": server.max_running_requests.map(|all| ranks.requests(all)),
                    "max_num_batched_tokens": ranks::max_num_batched_tokens(&server),
                    "data_parallel_start_rank": local.start,
                    "data_parallel_size": local.end - local.start,
                },
            }),
            vector["expected"],
            "{}",
            vector["name"]
        );
    }
}

fn source(config: Value) -> Source {
    let info = json!({"dp_size": 2, "kv_events_config": config.to_string()});
    KvEvents::of(&server(&info), "10.1.2.3").unwrap().unwrap().sources[1].clone()
}

#[test]
fn an_engine_that_connects_is_awaited() {
    let config = |endpoint: &str, bind: Value| {
        source(json!({"publisher": "zmq", "endpoint": endpoint, "bind": bind}))
    };
    let bind = |endpoint: &str, bind: Value| config(endpoint, bind).bind;
    assert_eq!(bind("tcp://*:5557", Value::Null), None);
    assert_eq!(bind("tcp://127.0.0.1:5557", Value::Null).as_deref(), Some("tcp://127.0.0.1:5558"));
    assert_eq!(bind("tcp://myhost:5557", Value::Null).as_deref(), Some("tcp://*:5558"));
    assert_eq!(bind("tcp://*:5557", json!(false)).as_deref(), Some("tcp://*:5558"));
    let bound = config("tcp://127.0.0.2:5557", json!(true));
    assert_eq!((bound.endpoint.as_deref(), bound.bind), (Some("tcp://127.0.0.2:5558"), None));
}

#[test]
fn replay_and_load_are_at_the_rank_s_port() {
    let config = json!({
        "publisher": "zmq", "endpoint": "tcp://*:5557", "replay_endpoint": "tcp://*:5600",
    });
    assert_eq!(source(config.clone()).replay.as_deref(), Some("tcp://127.0.0.1:5601"));
    let info = json!({
        "kv_events_config": config.to_string(), "kv_events": {"load_endpoint_port_base": 6000},
        "enable_forward_pass_metrics": true, "forward_pass_metrics_ipc_name": "ipc:///f",
    });
    let events = KvEvents::of(&server(&info), "10.1.2.3").unwrap().unwrap();
    assert_eq!(events.loads, None);
    assert_eq!(events.sources[0].load.as_deref(), Some("tcp://127.0.0.1:6000"));
    assert_eq!(events.sources[0].forward_pass.as_deref(), Some("ipc:///f.0"));
}

#[test]
fn without_events_the_load_is_still_asked_for() {
    let events = KvEvents::of(&server(&json!({})), "10.1.2.3").unwrap().unwrap();
    assert_eq!(events.loads, Some("/v1/loads"));
    assert_eq!(events.sources, [Source::default()]);
}

#[test]
fn only_tcp_is_relayed() {
    for endpoint in ["ipc:///a", "tcp://host", "tcp://host:99999"] {
        let config = json!({"publisher": "zmq", "endpoint": endpoint}).to_string();
        let info = json!({"kv_events_config": config});
        assert!(KvEvents::of(&server(&info), "10.1.2.3").is_err(), "{endpoint}");
    }
}
