//! A plane on file discovery, seen from the other end of its sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(missing_docs)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use dynamo_host_failure::Failure;
use dynamo_host_plane::{Discovery, Plane, PlaneConfig, PlaneError, RouteHandler, RouteToken};
use serde_json::{Value, json};
use support::worker::{Worker, run};
use support::{eventually, http, in_own_process};

fn unpack(frame: &[u8]) -> Value {
    rmp_serde::from_slice(frame).unwrap()
}

#[test]
fn requests_are_answered_in_the_frontends_codec() {
    if !in_own_process("requests_are_answered_in_the_frontends_codec", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let frontend = worker.frontend().await;

        let frames = frontend.ask("r1", &json!({"model": "tiny"})).await;
        let one =
            b"\x82\xa4data\x81\xa4data\x81\xa9token_ids\x91\xcd\x05\xb9\xaecomplete_final\xc2";
        assert_eq!(frames[0], one);
        let two = json!({"id": "r1", "body": {"model": "tiny"}, "probe": false});
        assert_eq!(unpack(&frames[1]), json!({"data": {"data": two}, "complete_final": false}));

        let (_, response) = frontend.open("r2", "json", &json!({"n": u64::MAX})).await;
        let frames = response.read_to_end().await;
        assert_eq!(frames.len(), 3);
        assert_eq!(frames[0], br#"{"data":{"data":{"token_ids":[1465]}},"complete_final":false}"#);
        let second: Value = serde_json::from_slice(&frames[1]).unwrap();
        assert_eq!(second["data"]["data"]["body"]["n"], json!(u64::MAX));
        assert_eq!(frames[2], br#"{"complete_final":true}"#);
        worker.end().await;
    });
}

#[test]
fn failures_are_typed_wherever_they_happen() {
    if !in_own_process("failures_are_typed_wherever_they_happen", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let frontend = worker.frontend().await;

        let (prologue, _) = frontend.open("r1", "msgpack", &json!({"do": "refuse"})).await;
        let error = &prologue["typed_error"];
        assert_eq!(error["class"], json!("InvalidRequest"), "{prologue}");
        assert_eq!(error["reason"], json!("backend.invalid_argument"));
        assert_eq!(error["public"]["message"], json!("temperature is a number"));

        // Any other error before the stream would put the worker out of routing for 5 s.
        let frames = frontend.ask("r2", &json!({"do": "panic"})).await;
        assert_eq!(frames.len(), 1);
        let error = &unpack(&frames[0])["data"]["error"];
        assert_eq!(error["class"], json!("Internal"));
        assert_eq!(error["diagnostic"], json!("the handler panicked: at once"));
        assert_eq!(error.get("public"), None);

        let frames = frontend.ask("r3", &json!({"do": "fail"})).await;
        assert_eq!(frames.len(), 2);
        let item = unpack(&frames[1]);
        assert_eq!(item["data"]["event"], json!("error"));
        assert_eq!(item["data"]["error"]["class"], json!("Unavailable"));
        assert_eq!(item["data"]["error"]["reason"], json!("backend.engine_shutdown"));

        let frames = frontend.ask("r4", &json!({"do": "panic later"})).await;
        assert_eq!(frames.len(), 2);
        assert_eq!(unpack(&frames[1])["data"]["error"]["class"], json!("Internal"));

        // None of it has worn the worker out.
        assert_eq!(frontend.ask("r5", &json!({})).await.len(), 2);
        assert!(worker.served.drain(Duration::from_secs(60)).await);
        worker.end().await;
    });
}

#[test]
fn a_cancel_reaches_the_handler() {
    if !in_own_process("a_cancel_reaches_the_handler", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let frontend = worker.frontend().await;
        for word in ["stop", "kill"] {
            let (prologue, mut response) =
                frontend.open(word, "msgpack", &json!({"do": "until cancelled"})).await;
            assert_eq!(prologue["error"], Value::Null);
            response.read().await.unwrap();
            assert_eq!(worker.served.in_flight(), 1);
            response.control(word).await;
            let mut cancelled = worker.script.cancelled.subscribe();
            let seen = cancelled.wait_for(|ids| ids.iter().any(|id| id == word));
            tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap().unwrap();
            assert!(worker.served.drain(Duration::from_secs(60)).await);
        }

        // A frontend that dies says nothing: the next chunk finds out, and the stream is dropped.
        let (_, mut response) = frontend.open("dead", "msgpack", &json!({"do": "go on"})).await;
        response.read().await.unwrap();
        assert_eq!(worker.served.in_flight(), 1);
        drop(response);
        assert!(worker.served.drain(Duration::from_secs(60)).await);
        worker.end().await;
    });
}

#[test]
fn a_worker_leaves_discovery_and_comes_back_while_it_serves() {
    if !in_own_process("a_worker_leaves_discovery_and_comes_back_while_it_serves", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let frontend = worker.frontend().await;
        let card = json!({
            "display_name": "tiny", "slug": "tiny", "model_info": null, "tokenizer": null,
            "kv_cache_block_size": 0, "migration_limit": 0, "model_type": "Chat",
            "model_input": "Text",
        });
        assert_eq!(worker.records("instances").len(), 1);
        assert_eq!(worker.records("mdc").len(), 0);
        for _ in 0..2 {
            worker.served.publish_card(card.clone()).await.unwrap();
            assert_eq!(worker.records("mdc")[0]["card_json"], card);
        }
        let id = worker.plane.instance_id();
        assert_eq!(worker.records("instances")[0]["instance_id"], json!(id));
        assert_eq!(worker.records("instances")[0]["request_plane_codec"], json!("msgpack"));

        let (_, early) = frontend.open("early", "msgpack", &json!({"do": "wait"})).await;
        for _ in 0..2 {
            worker.served.withdraw(Duration::ZERO).await.unwrap();
            assert_eq!(worker.records("instances").len() + worker.records("mdc").len(), 0);
        }
        assert_eq!(frontend.ask("late", &json!({})).await.len(), 2);
        assert!(!worker.served.drain(Duration::from_millis(1)).await);
        worker.script.open.send_replace(true);
        assert_eq!(early.read_to_end().await.len(), 3);
        assert!(worker.served.drain(Duration::from_secs(60)).await);

        for _ in 0..2 {
            worker.served.rejoin().await.unwrap();
            assert_eq!((worker.records("instances").len(), worker.records("mdc").len()), (1, 1));
        }
        for _ in 0..2 {
            worker.served.close().await.unwrap();
            assert_eq!(worker.records("instances").len() + worker.records("mdc").len(), 0);
        }
        worker.served.rejoin().await.unwrap();
        assert_eq!(worker.records("instances").len(), 0);
        let refusal = frontend.post("too late", "msgpack", &json!({})).await;
        assert!(refusal.starts_with(b"Server unavailable:"), "{refusal:?}");
        worker.plane.shutdown().await;
        worker.plane.lost().await;
    });
}

#[test]
fn health_follows_the_probe_and_the_host() {
    if !in_own_process("health_follows_the_probe_and_the_host", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let system = worker.plane.system_address().unwrap();
        let health = async || http(system, "/health", None).await.0;
        assert_eq!(health().await, 503);
        worker.plane.set_ready(true);
        assert_eq!(health().await, 503, "no probe has passed");
        worker.served.probe().await.unwrap();
        assert_eq!(health().await, 200);
        worker.plane.set_ready(false);
        assert_eq!(health().await, 503);
        worker.plane.set_ready(true);
        assert_eq!(health().await, 200);
        worker.served.withdraw(Duration::ZERO).await.unwrap();
        assert_eq!(health().await, 503);
        worker.served.rejoin().await.unwrap();
        worker.served.probe().await.unwrap();
        let (status, body) = http(system, "/live", None).await;
        assert_eq!(status, 200);
        assert!(body.contains(r#""endpoints":{"generate":"ready"}"#), "{body}");

        worker.plane.append_metrics(|| "dynamo_host_up 1\n".to_owned());
        worker.frontend().await.ask("r1", &json!({})).await;
        let (_, metrics) = http(system, "/metrics", None).await;
        assert!(metrics.contains("dynamo_host_up 1"), "{metrics}");
        let counted = metrics.lines().any(|line| {
            line.starts_with("dynamo_component_requests_total{")
                && line.contains(r#"dynamo_endpoint="generate""#)
                && line.contains(r#"model="tiny""#)
                && line.ends_with(" 1")
        });
        assert!(counted, "{metrics}");

        let echo: RouteHandler = Arc::new(|body| {
            Box::pin(async move {
                if body == json!({}) { Err(Failure::internal("nothing to echo")) } else { Ok(body) }
            })
        });
        worker.plane.register_route("echo", echo);
        assert_eq!(http(system, "/engine/echo", Some("[1]")).await, (200, "[1]".to_owned()));
        let (status, body) = http(system, "/engine/echo", None).await;
        assert_eq!(status, 500);
        assert!(body.contains("nothing to echo"), "{body}");
        worker.end().await;
    });
}

#[test]
fn what_changes_something_asks_for_the_operators_token() {
    if !in_own_process("what_changes_something_asks_for_the_operators_token", &[]) {
        return;
    }
    run(async {
        let token = RouteToken::new("s3cret");
        let plane =
            Plane::connect(PlaneConfig { route_token: Some(token), ..memory() }).await.unwrap();
        let system = plane.system_address().unwrap();
        let echo: RouteHandler = Arc::new(|body| Box::pin(async move { Ok(body) }));
        plane.register_route("change", echo.clone());
        plane.register_report("look", echo);
        let (status, body) = http(system, "/engine/change", Some(r#"{"a":1}"#)).await;
        assert_eq!(status, 500);
        assert!(body.contains("token"), "{body}");
        let carried = Some(r#"{"a":1,"token":"s3cret"}"#);
        assert_eq!(http(system, "/engine/change", carried).await, (200, r#"{"a":1}"#.to_owned()));
        assert_eq!(http(system, "/engine/look", None).await, (200, "{}".to_owned()));
        plane.shutdown().await;
    });
}

#[test]
fn the_canary_goes_through_the_handler() {
    let canary = [("DYN_HEALTH_CHECK_ENABLED", "true"), ("DYN_CANARY_WAIT_TIME", "1")];
    if !in_own_process("the_canary_goes_through_the_handler", &canary) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let system = worker.plane.system_address().unwrap();
        worker.plane.set_ready(true);
        // The hold of the endpoint outlives the canary; only the host's own probe lifts it.
        eventually("the canary passes", async || {
            http(system, "/health", None).await.1.contains(r#""generate":"ready""#)
        })
        .await;
        worker.served.probe().await.unwrap();
        assert_eq!(http(system, "/health", None).await.0, 200);
        worker.end().await;
    });
}

#[test]
fn a_system_port_dynamo_cannot_hold_is_refused() {
    let port = [("DYN_SYSTEM_PORT", "40000")];
    if !in_own_process("a_system_port_dynamo_cannot_hold_is_refused", &port) {
        return;
    }
    run(async {
        let error = Plane::connect(memory()).await.unwrap_err();
        assert!(matches!(&error, PlaneError::SystemPort { value } if value == "40000"), "{error}");
    });
}

#[test]
fn a_system_port_in_use_is_refused() {
    // Ports the system hands out by itself may be above what Dynamo can hold.
    let taken = (20000..i16::MAX.unsigned_abs())
        .find_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok())
        .unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    if !in_own_process("a_system_port_in_use_is_refused", &[("DYN_SYSTEM_PORT", &port)]) {
        return;
    }
    run(async {
        let error = Plane::connect(memory()).await.unwrap_err();
        assert!(
            matches!(&error, PlaneError::SystemServer { source, .. }
            if source.kind() == std::io::ErrorKind::AddrInUse),
            "{error}"
        );
    });
}

#[test]
fn an_etcd_that_is_not_there_is_named() {
    let etcd =
        [("ETCD_ENDPOINTS", "http://127.0.0.1:1"), ("ETCD_STARTUP_CONNECT_TIMEOUT_SECONDS", "1")];
    if !in_own_process("an_etcd_that_is_not_there_is_named", &etcd) {
        return;
    }
    run(async {
        let config = PlaneConfig { discovery: Discovery::Etcd, ..PlaneConfig::default() };
        let error = Plane::connect(config).await.unwrap_err();
        assert!(matches!(error, PlaneError::Connect { .. }));
        assert!(error.to_string().contains("ETCD_ENDPOINTS"), "{error}");
    });
}

fn memory() -> PlaneConfig {
    PlaneConfig { discovery: Discovery::Mem, ..PlaneConfig::default() }
}
