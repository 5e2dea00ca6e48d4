//! Responses in several steps, and media that pass the plugin by.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{all_grants, component};
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{Hooks, Limits, PeerCalls, PeerChunks, Plugin, Runtime};
use dynamo_host_request::{Codec, Exchange, Incoming, Reply, SystemFresh, Worker};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Answers calls in their order; what it is asked stands in `calls`, its waits among them.
#[derive(Clone, Default)]
struct ScriptedEngine {
    answers: Arc<Mutex<VecDeque<ScriptedReply>>>,
    calls: Arc<Mutex<Vec<(String, String)>>>,
    /// A wait never ends, and whoever listens here hears that it began.
    waits: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

struct ScriptedReply {
    status: u16,
    content_type: Option<&'static str>,
    frames: VecDeque<Bytes>,
}

impl ScriptedEngine {
    fn answering(answers: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        ScriptedEngine { answers, ..ScriptedEngine::default() }
    }

    fn note(&self, what: String, body: String) {
        self.calls.lock().unwrap().push((what, body));
    }

    fn asked(&self) -> Vec<String> {
        self.calls.lock().unwrap().iter().map(|(what, _)| what.clone()).collect()
    }
}

fn json_answer(value: Value) -> ScriptedReply {
    frames(None, &[value.to_string().as_bytes()])
}

fn frames(content_type: Option<&'static str>, frames: &[&[u8]]) -> ScriptedReply {
    let frames = frames.iter().map(|frame| Bytes::copy_from_slice(frame)).collect();
    ScriptedReply { status: 200, content_type, frames }
}

impl Exchange for ScriptedEngine {
    type Reply = ScriptedReply;

    async fn send(&self, call: Call) -> Result<ScriptedReply, EngineError> {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        self.note(format!("{} {}", call.method, call.path), body);
        Ok(self.answers.lock().unwrap().pop_front().unwrap_or_else(|| json_answer(json!({}))))
    }

    async fn wait(&self, time: Duration) {
        self.note(format!("wait {}", time.as_millis()), String::new());
        let listening = self.waits.lock().unwrap().take();
        if let Some(listening) = listening {
            listening.send(()).unwrap();
            pending::<()>().await;
        }
    }
}

impl Reply for ScriptedReply {
    fn status(&self) -> u16 {
        self.status
    }

    fn content_type(&self) -> Option<&str> {
        self.content_type
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.frames.pop_front())
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, _: usize) -> Result<usize, EngineError> {
        let before = batch.len();
        batch.extend(self.frames.drain(..));
        Ok(batch.len() - before)
    }

    async fn whole(self, _: usize) -> Result<Bytes, EngineError> {
        Ok(self.frames.into_iter().flatten().collect::<Vec<u8>>().into())
    }
}

/// Another worker, which says two things and fails.
struct FailingPeer;

struct FailingReply(VecDeque<Bytes>);

#[async_trait]
impl PeerCalls for FailingPeer {
    async fn open(&self, _: &str, _: &str, _: Vec<u8>) -> Result<Box<dyn PeerChunks>, Failure> {
        Ok(Box::new(FailingReply([&b"\x01"[..], b"\xa1b"].map(Bytes::from_static).into())))
    }
}

#[async_trait]
impl PeerChunks for FailingReply {
    async fn next(&mut self, _: usize) -> Result<Vec<Bytes>, Failure> {
        match self.0.pop_front() {
            Some(chunk) => Ok(vec![chunk]),
            None => Err(Failure::unavailable("the other worker leaves")),
        }
    }
}

async fn worker(engine: &ScriptedEngine, limits: Limits) -> Worker<ScriptedEngine> {
    let runtime = Runtime::new(Limits { instances: 2, ..limits }).unwrap();
    let plugin =
        Plugin::load(&runtime, &component("takes_steps").await, &all_grants()).await.unwrap();
    plugin.connect(Hooks { peers: Some(Arc::new(FailingPeer)), ..Hooks::default() });
    Worker::new(plugin, vec![0xc0], engine.clone(), SystemFresh)
}

fn incoming(body: &Value, left: oneshot::Receiver<()>) -> Incoming {
    Incoming {
        id: "r".into(),
        payload: body.to_string().into(),
        codec: Codec::Json,
        trace_headers: Vec::new(),
        probe: false,
        cancelled: Box::pin(async move {
            if left.await.is_err() {
                pending().await
            }
        }),
    }
}

/// The chunks of a response, and how it failed if it did.
async fn answer(engine: &ScriptedEngine, body: Value) -> (Vec<Value>, Option<Failure>) {
    answer_within(Limits::default(), engine, body).await
}

async fn answer_within(
    limits: Limits,
    engine: &ScriptedEngine,
    body: Value,
) -> (Vec<Value>, Option<Failure>) {
    let worker = worker(engine, limits).await;
    let mut response = worker.respond(incoming(&body, oneshot::channel().1)).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = response.next().await {
        match chunk {
            Ok(chunk) => chunks.push(rmp_serde::from_slice(&chunk).unwrap()),
            Err(failure) => return (chunks, Some(failure)),
        }
    }
    (chunks, None)
}

#[tokio::test]
async fn a_job_is_followed_until_it_is_done() {
    let engine = ScriptedEngine::answering([
        json_answer(json!({"id": "7", "status": "queued"})),
        json_answer(json!({"id": "7", "status": "running"})),
        json_answer(json!({"id": "7", "status": "done"})),
        frames(Some("video/mp4"), &[b"M", b"P4", b"!"]),
    ]);
    let answered = answer(&engine, json!({"do": "job", "token_ids": [1, 2]})).await;
    let chunk = json!({"b64": "TVA0IQ==", "type": "video/mp4", "size": 4});
    assert_eq!(answered, (vec![chunk], None));
    assert_eq!(
        engine.asked(),
        ["POST /jobs", "wait 250", "GET /jobs/7", "wait 250", "GET /jobs/7", "GET /jobs/7/content"]
    );
    assert_eq!(engine.calls.lock().unwrap()[0].1, r#"{"ids":[1,2]}"#);
}

#[tokio::test]
async fn a_client_that_leaves_between_steps_has_the_job_aborted() {
    let engine = ScriptedEngine::answering([json_answer(json!({"id": "7", "status": "queued"}))]);
    let (waits, waiting) = oneshot::channel();
    *engine.waits.lock().unwrap() = Some(waits);
    let worker = worker(&engine, Limits::default()).await;
    let (leave, left) = oneshot::channel();
    let mut response = worker.respond(incoming(&json!({"do": "job"}), left)).await.unwrap();
    let (ended, ()) = tokio::join!(response.next(), async {
        waiting.await.unwrap();
        leave.send(()).unwrap();
    });
    assert!(ended.is_none());
    tokio::task::yield_now().await;
    assert_eq!(engine.asked(), ["POST /jobs", "wait 250", "DELETE /jobs/7"]);
}

#[tokio::test]
async fn a_step_the_engine_refuses_is_the_plugins_to_explain() {
    let refusal = ScriptedReply { status: 404, ..json_answer(json!({})) };
    let engine =
        ScriptedEngine::answering([json_answer(json!({"id": "7", "status": "queued"})), refusal]);
    let answered = answer(&engine, json!({"do": "job"})).await;
    assert_eq!(answered, (vec![json!({"rejected": 404})], None));
}

#[tokio::test]
async fn media_in_json_are_taken_out_as_they_arrive() {
    let engine = ScriptedEngine::answering([frames(
        None,
        &[br#"{"id": 1, "data": [{"b64": "UE"#, br#"5H"}, {"b64": "R0lG"}]}"#],
    )]);
    let (chunks, failure) = answer(&engine, json!({"do": "lift"})).await;
    assert_eq!(failure, None);
    assert_eq!(chunks[0], json!({"id": 1, "data": [{"b64": 0}, {"b64": 1}]}));
    assert_eq!(chunks[1], json!({"data": [{"b64": "UE5H"}]}));
    assert_eq!(chunks[2], json!({"data": [{"b64": "R0lG"}]}));
}

#[tokio::test]
async fn a_medium_goes_back_into_a_call() {
    let media = || json_answer(json!({"b64": "iVBORw0KGgo="}));
    for (form, part) in
        [(false, "data:image/png;base64,iVBORw0KGgo="), (true, "filename=\"image.png\"")]
    {
        let engine = ScriptedEngine::answering([media(), json_answer(json!({"ok": true}))]);
        let answered = answer(&engine, json!({"do": "return", "form": form})).await;
        assert_eq!(answered, (vec![json!({"ok": true})], None));
        let calls = engine.calls.lock().unwrap();
        assert_eq!(calls[1].0, "POST /upload");
        assert!(calls[1].1.contains(part), "{}", calls[1].1);
    }
}

#[tokio::test]
async fn more_than_may_be_held_is_refused() {
    let limits = || Limits { media_bytes: 5, ..Limits::default() };
    for (body, reply) in [
        (json!({"do": "lift"}), json_answer(json!([{"b64": "UE5H"}, {"b64": "UE5H"}]))),
        (json!({"do": "job"}), frames(None, &[b"abc", b"def"])),
    ] {
        let done = || json_answer(json!({"id": "7", "status": "done"}));
        let job = body["do"] == "job";
        let engine = ScriptedEngine::answering(job.then(done).into_iter().chain([reply]));
        let (chunks, failure) = answer_within(limits(), &engine, body).await;
        assert_eq!(chunks, [] as [Value; 0]);
        assert_eq!(failure.unwrap().kind, Kind::PayloadTooLarge);
    }
}

#[tokio::test]
async fn another_workers_chunks_are_relayed_and_so_is_its_failure() {
    let engine = ScriptedEngine::default();
    let (chunks, failure) = answer(&engine, json!({"do": "relay", "peer": "ns.c.e"})).await;
    assert_eq!(chunks, [json!(1), json!("b")]);
    assert_eq!(failure, Some(Failure::unavailable("the other worker leaves")));
    assert!(engine.asked().is_empty());
}
