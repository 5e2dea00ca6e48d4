//! Routes of a plugin's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::{all_grants, component, misbehave};
use dynamo_host_plugin::{
    Call, EngineControl, EngineReply, EngineReport, Failure, Hooks, Kind, Limits, Plugin, Runtime,
};

/// Answers every call, after longer than a plugin may compute.
struct SlowEngine;

/// How long a plugin may compute here.
const CALL: Duration = Duration::from_secs(2);

#[async_trait]
impl EngineControl for SlowEngine {
    async fn send(&self, call: Call) -> Result<EngineReply, Failure> {
        assert_eq!(call.path, "/status");
        tokio::time::sleep(CALL + Duration::from_millis(200)).await;
        Ok(EngineReply { status: 207, body: Vec::new() })
    }
}

async fn routed() -> (Plugin, Vec<u8>) {
    let limits = Limits { call: CALL, instances: 8, ..Limits::default() };
    let plugin =
        Plugin::load(&Runtime::new(limits).unwrap(), &component("routed").await, &all_grants())
            .await
            .expect("the guest loads");
    plugin.connect(Hooks { engine: Some(Arc::new(SlowEngine)), ..Hooks::default() });
    let report = EngineReport {
        model_path: "a model".into(),
        served_name: String::new(),
        address: "127.0.0.1".into(),
        answers: Vec::new(),
        files: Vec::new(),
    };
    let configured = plugin.configure(&b"{}".to_vec(), report).await.unwrap();
    (plugin, configured.state)
}

#[tokio::test]
async fn a_route_is_answered_with_the_workers_state() {
    let (plugin, state) = routed().await;
    let paths: Vec<String> =
        plugin.routes(&state).await.unwrap().into_iter().map(|route| route.path).collect();
    assert_eq!(paths, ["echo", "status", "loop"]);
    let answer = plugin.handle_route("echo", &state, &br#"{"a":1}"#.to_vec()).await.unwrap();
    assert_eq!(answer, br#"{"body":{"a":1},"model":"a model"}"#);
}

#[tokio::test]
async fn a_route_may_wait_for_the_engine_longer_than_it_may_compute() {
    let (plugin, state) = routed().await;
    let answer = plugin.handle_route("status", &state, &b"{}".to_vec()).await.unwrap();
    assert_eq!(answer, br#"{"status":207}"#);
}

#[tokio::test]
async fn a_route_that_fails_says_how() {
    let (plugin, state) = routed().await;
    for (path, body, kind) in [
        ("elsewhere", "{}", Kind::NotFound),
        ("echo", "{", Kind::InvalidRequest),
        ("loop", "{}", Kind::DeadlineExceeded),
    ] {
        let failure = plugin.handle_route(path, &state, &body.into()).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
    }
}

#[tokio::test]
async fn most_plugins_have_none() {
    let plugin = misbehave(Limits { instances: 8, ..Limits::default() }).await;
    assert!(plugin.routes(&vec![0xc0]).await.unwrap().is_empty());
    let failure = plugin.handle_route("echo", &vec![0xc0], &b"{}".to_vec()).await.unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound);
}
