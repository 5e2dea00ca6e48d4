//! Requests to other workers in the middle of a plan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{all_grants, component, told_to};
use dynamo_host_plugin::{
    Failure, Grant, Grants, Held, Hooks, Kind, Limits, LoadError, PeerCalls, PeerChunks, Plugin,
    Request, ResponsePlan, Runtime,
};

/// Workers that answer as a test says, and note what they were asked and what was given up.
#[derive(Clone, Default)]
struct ScriptedPeers {
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
    given_up: Arc<Mutex<u32>>,
    delay: Duration,
}

struct ScriptedReply {
    chunks: VecDeque<&'static [u8]>,
    given_up: Arc<Mutex<u32>>,
    delay: Duration,
}

#[async_trait]
impl PeerCalls for ScriptedPeers {
    async fn open(
        &self,
        endpoint: &str,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Box<dyn PeerChunks>, Failure> {
        let body = String::from_utf8(body).unwrap();
        self.asked.lock().unwrap().push((endpoint.into(), id.into(), body));
        match endpoint {
            "ns.full.generate" => Err(Failure::public(Kind::CapacityExhausted, "come back later")),
            _ => Ok(Box::new(ScriptedReply {
                chunks: [&b"\x01"[..], b"\xa1b", b"\xc0"].into(),
                given_up: self.given_up.clone(),
                delay: self.delay,
            })),
        }
    }
}

#[async_trait]
impl PeerChunks for ScriptedReply {
    async fn next(&mut self, _: usize) -> Result<Vec<Bytes>, Failure> {
        tokio::time::sleep(self.delay).await;
        Ok(self.chunks.pop_front().map(Bytes::from_static).into_iter().collect())
    }
}

impl Drop for ScriptedReply {
    fn drop(&mut self) {
        if !self.chunks.is_empty() {
            *self.given_up.lock().unwrap() += 1;
        }
    }
}

async fn plan(peers: &ScriptedPeers, limits: Limits, body: &str) -> Result<ResponsePlan, Failure> {
    let runtime = Runtime::new(Limits { instances: 4, ..limits }).unwrap();
    let plugin =
        Plugin::load(&runtime, &component("asks_peers").await, &all_grants()).await.unwrap();
    plugin.connect(Hooks { peers: Some(Arc::new(peers.clone())), ..Hooks::default() });
    let request = Request { body: body.into(), ..told_to("ask") };
    plugin
        .session()
        .await
        .unwrap()
        .plan(&vec![0xc0], &request, Arc::from([]), Held::default())
        .await
}

#[tokio::test]
async fn what_peers_answer_reaches_the_plugin() {
    let peers = ScriptedPeers::default();
    let body = r#"{"ask": ["ns.a.generate", "ns.b.generate"]}"#;
    let plan = plan(&peers, Limits::default(), body).await.unwrap();
    assert_eq!(plan.preface, [&b"\x01"[..], b"\xa1b", b"\xc0", b"\x01", b"\xa1b", b"\xc0"]);
    let asked = |endpoint: &str| {
        (endpoint.to_owned(), "client-chosen".to_owned(), r#"{"for":"client-chosen"}"#.to_owned())
    };
    assert_eq!(*peers.asked.lock().unwrap(), [asked("ns.a.generate"), asked("ns.b.generate")]);
    assert_eq!(*peers.given_up.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_refusal_keeps_its_kind() {
    let peers = ScriptedPeers::default();
    let body = r#"{"ask": ["ns.full.generate"]}"#;
    let failure = plan(&peers, Limits::default(), body).await.unwrap_err();
    assert_eq!(failure, Failure::public(Kind::CapacityExhausted, "come back later"));
}

#[tokio::test]
async fn a_reply_the_plugin_drops_is_given_up() {
    let peers = ScriptedPeers::default();
    let body = r#"{"ask": ["ns.a.generate"], "drop": true}"#;
    let plan = plan(&peers, Limits::default(), body).await.unwrap();
    assert_eq!(plan.preface, [b"\x01"]);
    assert_eq!(*peers.given_up.lock().unwrap(), 1);
}

/// The plugin's time is what it computes.
#[tokio::test]
async fn waiting_is_not_computing() {
    let slow = ScriptedPeers { delay: Duration::from_millis(120), ..ScriptedPeers::default() };
    let body = r#"{"ask": ["ns.a.generate"]}"#;
    let limits = Limits { call: Duration::from_millis(100), ..Limits::default() };
    assert_eq!(plan(&slow, limits.clone(), body).await.unwrap().preface.len(), 3);

    let limits = Limits { waiting_call: Duration::from_millis(100), ..limits };
    let failure = plan(&slow, limits, body).await.unwrap_err();
    assert_eq!(failure.kind, Kind::DeadlineExceeded);
    assert_eq!(*slow.given_up.lock().unwrap(), 1);
}

#[tokio::test]
async fn other_workers_must_be_granted() {
    let runtime = Runtime::new(Limits { instances: 4, ..Limits::default() }).unwrap();
    let grants = Grants::only([Grant::Log, Grant::Engine]);
    let refused =
        Plugin::load(&runtime, &component("asks_peers").await, &grants).await.unwrap_err();
    assert!(matches!(refused, LoadError::NotGranted { grant: Grant::Peers, .. }), "{refused}");
}
