//! A plugin that waits for another worker while its client leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

use std::future::{pending, ready};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::{all_grants, component};
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{Hooks, Limits, PeerCalls, PeerChunks, Plugin, Runtime};
use dynamo_host_request::{Codec, Exchange, Incoming, Reply, SystemFresh, Worker};

/// A worker that takes requests and never answers.
struct SilentPeer;

#[async_trait]
impl PeerCalls for SilentPeer {
    async fn open(&self, _: &str, _: &str, _: Vec<u8>) -> Result<Box<dyn PeerChunks>, Failure> {
        pending().await
    }
}

/// An engine nobody calls.
struct NoEngine;
struct NoReply;

impl Exchange for NoEngine {
    type Reply = NoReply;

    async fn send(&self, call: Call) -> Result<NoReply, EngineError> {
        panic!("a call of {}", call.path)
    }
}

impl Reply for NoReply {
    fn status(&self) -> u16 {
        200
    }

    async fn next(&mut self, _: &mut Vec<Bytes>, _: usize) -> Result<usize, EngineError> {
        Ok(0)
    }

    fn content_type(&self) -> Option<&str> {
        None
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        Ok(None)
    }

    async fn whole(self, _: usize) -> Result<Bytes, EngineError> {
        Ok(Bytes::new())
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_wait() {
    let runtime = Runtime::new(Limits { instances: 1, ..Limits::default() }).unwrap();
    let plugin =
        Plugin::load(&runtime, &component("asks_peers").await, &all_grants()).await.unwrap();
    plugin.connect(Hooks { peers: Some(Arc::new(SilentPeer)), ..Hooks::default() });
    let worker = Worker::new(plugin, vec![0xc0], NoEngine, SystemFresh);
    let ask = |body: &'static [u8]| {
        worker.respond(Incoming {
            id: "r".into(),
            payload: Bytes::from_static(body),
            codec: Codec::Json,
            trace_headers: Vec::new(),
            probe: false,
            cancelled: Box::pin(ready(())),
        })
    };
    let failure = ask(br#"{"ask": ["ns.c.e"]}"#).await.err().unwrap();
    assert_eq!(failure.kind, Kind::Cancelled);
    // There is one instance, and it is free again.
    let answered = ask(br#"{"ask": []}"#).await;
    assert!(answered.is_ok());
}
