//! Other workers, called through the real runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::PeerReply;
use serde_json::{Value, json};
use support::in_own_process;
use support::worker::{Worker, run};

async fn open(worker: &Worker, endpoint: &str, body: Value) -> Result<PeerReply, Failure> {
    let body = body.to_string().into_bytes();
    worker.plane.peers().open(&endpoint.parse().unwrap(), "for-r1".into(), body).await
}

fn values(chunks: &[Bytes]) -> Vec<Value> {
    chunks.iter().map(|chunk| rmp_serde::from_slice(chunk).unwrap()).collect()
}

#[test]
fn a_peer_answers_chunk_by_chunk() {
    if !in_own_process("a_peer_answers_chunk_by_chunk", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let body = json!({"n": u64::MAX, "deep": [{"é": -1.5}], "none": null});
        let mut reply = open(&worker, "test.backend.generate", body.clone()).await.unwrap();
        let mut chunks = Vec::new();
        loop {
            let batch = reply.next(1).await.unwrap();
            assert!(batch.len() <= 1);
            if batch.is_empty() {
                break;
            }
            chunks.extend(batch);
        }
        let seen = json!({"id": "for-r1", "body": body, "probe": false});
        assert_eq!(values(&chunks), [json!({"token_ids": [1465]}), seen]);
        // Bytes as the worker made them: what a plugin may hand on as they are.
        assert_eq!(chunks[0], &b"\x81\xa9token_ids\x91\xcd\x05\xb9"[..]);
        assert!(reply.next(1).await.unwrap().is_empty());
        worker.end().await;
    });
}

#[test]
fn what_a_peer_refuses_is_typed() {
    if !in_own_process("what_a_peer_refuses_is_typed", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let refused = open(&worker, "test.backend.generate", json!({"do": "refuse"})).await;
        let failure = refused.unwrap_err();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert_eq!((failure.message.as_str(), failure.public), ("temperature is a number", true));

        let mut reply =
            open(&worker, "test.backend.generate", json!({"do": "fail"})).await.unwrap();
        assert_eq!(reply.next(1).await.unwrap().len(), 1);
        let failure = reply.next(1).await.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Unavailable, "gone"));
        assert!(reply.next(1).await.unwrap().is_empty());

        let failure = open(&worker, "test.nobody.generate", json!({})).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Unavailable);
        assert!(failure.message.contains("dyn://test.nobody.generate"), "{failure}");

        let endpoint = "test.backend.generate".parse().unwrap();
        let not_json = worker.plane.peers().open(&endpoint, "r".into(), b"{".to_vec()).await;
        assert_eq!(not_json.unwrap_err().kind, Kind::Internal);

        // None of it has put the worker out of reach.
        assert!(open(&worker, "test.backend.generate", json!({})).await.is_ok());
        worker.end().await;
    });
}

#[test]
fn a_reply_that_is_dropped_is_given_up() {
    if !in_own_process("a_reply_that_is_dropped_is_given_up", &[]) {
        return;
    }
    run(async {
        let worker = Worker::start().await;
        let body = json!({"do": "until cancelled"});
        let mut reply = open(&worker, "test.backend.generate", body).await.unwrap();
        assert_eq!(reply.next(8).await.unwrap().len(), 1);
        assert_eq!(worker.served.in_flight(), 1);
        drop(reply);
        let mut cancelled = worker.script.cancelled.subscribe();
        let seen = cancelled.wait_for(|ids| ids == &["for-r1"]);
        tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap().unwrap();
        assert!(worker.served.drain(Duration::from_secs(60)).await);
        worker.end().await;
    });
}
