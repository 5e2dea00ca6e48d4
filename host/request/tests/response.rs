//! One response after another through a real plugin, with an engine that does as the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::misbehave;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::Limits;
use dynamo_host_request::{Codec, Exchange, Incoming, Reply, Response, SystemFresh, Worker};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// What the engine does next: events that arrive together, or the connection breaks.
type Step = Result<Vec<&'static str>, EngineError>;

/// An engine that answers every call with the same status and the steps of one channel.
#[derive(Clone, Default)]
struct ScriptedEngine {
    status: u16,
    unreachable: bool,
    steps: Arc<Mutex<Option<mpsc::UnboundedReceiver<Step>>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Told when an abort arrives.
    aborted: Arc<Mutex<Option<oneshot::Sender<Call>>>>,
}

struct ScriptedReply {
    status: u16,
    steps: mpsc::UnboundedReceiver<Step>,
}

impl Exchange for ScriptedEngine {
    type Reply = ScriptedReply;

    async fn send(&self, call: Call) -> Result<ScriptedReply, EngineError> {
        if call.path == "/abort" {
            if let Some(aborted) = self.aborted.lock().unwrap().take() {
                aborted.send(call).unwrap();
            }
            return Ok(ScriptedReply { status: 200, steps: mpsc::unbounded_channel().1 });
        }
        self.calls.lock().unwrap().push(call);
        if self.unreachable {
            return Err(EngineError::Unreachable { address: "a:1".into(), why: "test".into() });
        }
        let steps = self.steps.lock().unwrap().take().expect("one call");
        Ok(ScriptedReply { status: self.status, steps })
    }
}

impl Reply for ScriptedReply {
    fn status(&self) -> u16 {
        self.status
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, _: usize) -> Result<usize, EngineError> {
        let events = self.steps.recv().await.transpose()?.unwrap_or_default();
        batch.extend(events.iter().map(|event| Bytes::from_static(event.as_bytes())));
        Ok(events.len())
    }

    fn content_type(&self) -> Option<&str> {
        None
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        unreachable!("no call here asks for media")
    }

    async fn whole(mut self, _: usize) -> Result<Bytes, EngineError> {
        let events = self.steps.recv().await.transpose()?.unwrap_or_default();
        Ok(events.concat().into())
    }
}

/// A worker before a scripted engine, and the ends of the script.
struct Scene {
    worker: Worker<ScriptedEngine>,
    engine: ScriptedEngine,
    script: mpsc::UnboundedSender<Step>,
    aborted: oneshot::Receiver<Call>,
}

impl Scene {
    async fn new(shape: impl FnOnce(&mut ScriptedEngine)) -> Self {
        let (script, steps) = mpsc::unbounded_channel();
        let (tell, aborted) = oneshot::channel();
        let mut engine = ScriptedEngine {
            status: 200,
            steps: Arc::new(Mutex::new(Some(steps))),
            aborted: Arc::new(Mutex::new(Some(tell))),
            ..ScriptedEngine::default()
        };
        shape(&mut engine);
        let plugin = misbehave(Limits { instances: 8, ..Limits::default() }).await;
        let worker = Worker::new(plugin, vec![0xc0], engine.clone(), SystemFresh);
        Scene { worker, engine, script, aborted }
    }

    async fn respond(&self, what: &str) -> Result<Response<ScriptedEngine>, Failure> {
        let (staying, cancelled) = oneshot::channel::<()>();
        std::mem::forget(staying);
        self.respond_until(what, cancelled).await
    }

    /// The client leaves when `cancelled` is told.
    async fn respond_until(
        &self,
        what: &str,
        cancelled: oneshot::Receiver<()>,
    ) -> Result<Response<ScriptedEngine>, Failure> {
        let body = serde_json::json!({"do": what, "token_ids": [7, 8, 9]});
        let incoming = Incoming {
            id: "client-chosen".into(),
            payload: rmp_serde::to_vec_named(&body).unwrap().into(),
            codec: Codec::Msgpack,
            trace_headers: Vec::new(),
            probe: false,
            cancelled: Box::pin(async move {
                if cancelled.await.is_err() {
                    pending().await
                }
            }),
        };
        self.worker.respond(incoming).await
    }

    /// Whether no abort was sent, once all that could send one is over.
    async fn was_not_aborted(mut self) -> bool {
        tokio::task::yield_now().await;
        self.aborted.try_recv().is_err()
    }
}

fn echo(text: &str) -> Value {
    serde_json::json!({"echo": text})
}

/// The next chunk, decoded.
async fn chunk(response: &mut Response<ScriptedEngine>) -> Value {
    let bytes = response.next().await.expect("more").expect("a chunk");
    rmp_serde::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn the_token_ids_are_spliced_into_the_call() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    assert_eq!(chunk(&mut response).await, echo("nothing"));
    assert!(scene.engine.calls.lock().unwrap().is_empty(), "the preface does not wait for it");
    scene.script.send(Ok(vec!["a"])).unwrap();
    assert_eq!(chunk(&mut response).await, echo("a"));
    let calls = scene.engine.calls.lock().unwrap();
    let body: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(body["input_ids"], serde_json::json!([7, 8, 9]));
    assert_eq!(body["rid"].as_str().unwrap().len(), 32);
    assert_ne!(body["rid"], "client-chosen");
}

#[tokio::test]
async fn chunks_come_in_the_order_of_their_events_however_those_arrive() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    for batch in [vec!["a", "b"], vec!["c"], vec!["d", "e", "f"]] {
        scene.script.send(Ok(batch)).unwrap();
    }
    for expected in ["nothing", "a", "b", "c", "d", "e", "f"] {
        assert_eq!(chunk(&mut response).await, echo(expected));
    }
}

#[tokio::test]
async fn an_answer_that_ends_is_not_aborted() {
    let Scene { worker, engine, script, aborted } = Scene::new(|_| {}).await;
    script.send(Ok(vec!["a"])).unwrap();
    drop(script);
    let scene = Scene { worker, engine, script: mpsc::unbounded_channel().0, aborted };
    let mut response = scene.respond("nothing").await.unwrap();
    chunk(&mut response).await;
    chunk(&mut response).await;
    assert!(response.next().await.is_none());
    drop(response);
    assert!(scene.was_not_aborted().await);
}

#[tokio::test]
async fn a_refusal_does_not_bother_the_engine() {
    let scene = Scene::new(|_| {}).await;
    let Err(refusal) = scene.respond("refuse").await else { panic!("refused") };
    assert_eq!(refusal.kind, Kind::InvalidRequest);
    assert!(scene.engine.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_has_its_request_aborted_at_the_engine() {
    let scene = Scene::new(|_| {}).await;
    let (leave, cancelled) = oneshot::channel();
    let mut response = scene.respond_until("nothing", cancelled).await.unwrap();
    scene.script.send(Ok(vec!["a"])).unwrap();
    chunk(&mut response).await;
    chunk(&mut response).await;
    leave.send(()).unwrap();
    assert!(response.next().await.is_none());
    assert!(scene.script.is_closed(), "the connection is closed");
    let rid = |call: &Call| serde_json::from_slice::<Value>(&call.body).unwrap()["rid"].clone();
    let called = rid(&scene.engine.calls.lock().unwrap()[0]);
    assert_eq!(rid(&scene.aborted.await.unwrap()), called);
}

#[tokio::test]
async fn a_response_that_is_dropped_is_aborted() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["a"])).unwrap();
    chunk(&mut response).await;
    chunk(&mut response).await;
    drop(response);
    assert_eq!(scene.aborted.await.unwrap().path, "/abort");
}

#[tokio::test]
async fn an_engine_that_was_not_called_is_not_told_to_abort() {
    let scene = Scene::new(|_| {}).await;
    drop(scene.respond("nothing").await.unwrap());
    assert!(scene.was_not_aborted().await);

    let scene = Scene::new(|engine| engine.unreachable = true).await;
    let mut response = scene.respond("nothing").await.unwrap();
    chunk(&mut response).await;
    assert_eq!(response.next().await.unwrap().unwrap_err().kind, Kind::Unavailable);
    assert!(response.next().await.is_none());
    drop(response);
    assert!(scene.was_not_aborted().await);
}

#[tokio::test]
async fn chunks_before_a_failure_are_delivered_and_the_engine_is_told() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["a", "refuse", "b"])).unwrap();
    assert_eq!(chunk(&mut response).await, echo("nothing"));
    assert_eq!(chunk(&mut response).await, echo("a"));
    assert_eq!(response.next().await.unwrap().unwrap_err().kind, Kind::InvalidRequest);
    assert!(response.next().await.is_none());
    assert_eq!(scene.aborted.await.unwrap().path, "/abort");
}

#[tokio::test]
async fn a_trap_in_the_converter_ends_its_response_and_tells_the_engine() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["trap"])).unwrap();
    chunk(&mut response).await;
    assert_eq!(response.next().await.unwrap().unwrap_err().kind, Kind::Internal);
    assert!(response.next().await.is_none());
    assert_eq!(scene.aborted.await.unwrap().path, "/abort");
}

#[tokio::test]
async fn done_ends_the_response_before_the_engine_ends() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["a", "done", "b"])).unwrap();
    assert_eq!(chunk(&mut response).await, echo("nothing"));
    assert_eq!(chunk(&mut response).await, echo("a"));
    assert!(response.next().await.is_none());
    assert!(scene.script.is_closed());
}

#[tokio::test]
async fn a_broken_connection_is_one_another_worker_can_mend() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["a"])).unwrap();
    scene.script.send(Err(EngineError::Closed { why: "test".into() })).unwrap();
    chunk(&mut response).await;
    chunk(&mut response).await;
    assert_eq!(response.next().await.unwrap().unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_status_that_is_no_success_is_the_plugins_to_explain() {
    let scene = Scene::new(|engine| engine.status = 400).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec![r#"{"error":{"message":"too long"}}"#])).unwrap();
    chunk(&mut response).await;
    let failure = response.next().await.unwrap().unwrap_err();
    assert_eq!(failure.kind, Kind::InvalidRequest);
    assert!(failure.message.contains("too long"), "{failure}");
    drop(response);
    assert!(scene.was_not_aborted().await);
}

#[tokio::test]
async fn while_the_worker_leaves_what_the_plugin_fails_may_go_elsewhere() {
    let scene = Scene::new(|_| {}).await;
    let mut response = scene.respond("nothing").await.unwrap();
    scene.script.send(Ok(vec!["a"])).unwrap();
    chunk(&mut response).await;
    chunk(&mut response).await;
    scene.worker.leave();
    scene.script.send(Ok(vec!["refuse"])).unwrap();
    assert_eq!(response.next().await.unwrap().unwrap_err().kind, Kind::Unavailable);
}

#[tokio::test]
async fn only_what_the_plugin_does_is_its_failure() {
    let cut = || EngineError::Closed { why: "test".into() };
    for (status, step, blamed) in [
        (200, Ok(vec!["trap"]), true),
        (200, Ok(vec!["refuse"]), false),
        (200, Err(cut()), false),
        (500, Ok(vec!["out of memory"]), false),
    ] {
        let scene = Scene::new(|engine| engine.status = status).await;
        let mut response = scene.respond("nothing").await.unwrap();
        let what = format!("{status} {step:?}");
        scene.script.send(step).unwrap();
        chunk(&mut response).await;
        response.next().await.expect("an end").expect_err("a failure");
        assert_eq!(response.is_plugins_failure(), blamed, "{what}");
    }
}
