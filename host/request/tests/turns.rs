//! Requests to an engine that works on one at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

use std::future::pending;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::misbehave;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_plugin::Limits;
use dynamo_host_request::{Codec, Exchange, Incoming, Reply, Response, SystemFresh, Worker};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

/// An engine that answers when the test says so, and counts who has asked.
#[derive(Clone, Default)]
struct PatientEngine {
    waiting: Arc<Mutex<Vec<mpsc::UnboundedSender<&'static str>>>>,
    asked: Arc<Mutex<usize>>,
}

struct PatientReply(mpsc::UnboundedReceiver<&'static str>);

impl Exchange for PatientEngine {
    type Reply = PatientReply;

    async fn send(&self, call: Call) -> Result<PatientReply, EngineError> {
        let (answer, answers) = mpsc::unbounded_channel();
        if call.path != "/abort" {
            *self.asked.lock().unwrap() += 1;
            self.waiting.lock().unwrap().push(answer);
        }
        Ok(PatientReply(answers))
    }
}

impl Reply for PatientReply {
    fn status(&self) -> u16 {
        200
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, _: usize) -> Result<usize, EngineError> {
        let event = self.0.recv().await;
        batch.extend(event.map(|event| Bytes::from_static(event.as_bytes())));
        Ok(event.iter().count())
    }

    fn content_type(&self) -> Option<&str> {
        None
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        unreachable!("no call here asks for media")
    }

    async fn whole(self, _: usize) -> Result<Bytes, EngineError> {
        Ok(Bytes::new())
    }
}

struct Scene {
    worker: Worker<PatientEngine>,
    engine: PatientEngine,
}

impl Scene {
    async fn new(concurrency: Option<u32>) -> Self {
        let plugin = misbehave(Limits { instances: 8, ..Limits::default() }).await;
        let engine = PatientEngine::default();
        let worker = Worker::new(plugin, vec![0xc0], engine.clone(), SystemFresh)
            .with_concurrency(concurrency);
        Scene { worker, engine }
    }

    /// A request whose preface has been taken, and what makes its client leave.
    async fn ask(&self) -> (Response<PatientEngine>, oneshot::Sender<()>) {
        let (leave, left) = oneshot::channel::<()>();
        let incoming = Incoming {
            id: "r".into(),
            payload: Bytes::from_static(br#"{"do": "nothing"}"#),
            codec: Codec::Json,
            trace_headers: Vec::new(),
            probe: false,
            cancelled: Box::pin(async move {
                if left.await.is_err() {
                    pending().await
                }
            }),
        };
        let mut response = self.worker.respond(incoming).await.unwrap();
        response.next().await.unwrap().unwrap();
        (response, leave)
    }

    fn asked(&self) -> usize {
        *self.engine.asked.lock().unwrap()
    }

    /// Has the engine answer what it was asked first, and end.
    fn answer(&self) {
        let first = self.engine.waiting.lock().unwrap().remove(0);
        first.send("answer").unwrap();
    }
}

/// Goes on until the engine is asked or nothing happens any more.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

fn finish(mut response: Response<PatientEngine>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut chunks = 0;
        while let Some(chunk) = response.next().await {
            chunk.unwrap();
            chunks += 1;
        }
        chunks
    })
}

#[tokio::test]
async fn the_second_waits_for_the_first() {
    let scene = Scene::new(Some(1)).await;
    let (first, _staying) = scene.ask().await;
    let (second, _staying_too) = scene.ask().await;
    let (first, second) = (finish(first), finish(second));
    settle().await;
    assert_eq!(scene.asked(), 1);
    assert!(scene.worker.is_fully_at_work());
    scene.answer();
    assert_eq!(first.await.unwrap(), 1);
    settle().await;
    assert_eq!(scene.asked(), 2);
    scene.answer();
    assert_eq!(second.await.unwrap(), 1);
    assert!(!scene.worker.is_fully_at_work());
}

#[tokio::test]
async fn who_leaves_the_queue_is_never_asked_about() {
    let scene = Scene::new(Some(1)).await;
    let (first, _staying) = scene.ask().await;
    let first = finish(first);
    settle().await;
    let (second, leave) = scene.ask().await;
    let second = finish(second);
    settle().await;
    leave.send(()).unwrap();
    assert_eq!(second.await.unwrap(), 0);
    scene.answer();
    assert_eq!(first.await.unwrap(), 1);
    settle().await;
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_response_that_is_given_up_makes_room() {
    let scene = Scene::new(Some(1)).await;
    let (first, leave) = scene.ask().await;
    let first = finish(first);
    settle().await;
    let (second, _staying) = scene.ask().await;
    let second = finish(second);
    leave.send(()).unwrap();
    assert_eq!(first.await.unwrap(), 0);
    settle().await;
    assert_eq!(scene.asked(), 2);
    scene.engine.waiting.lock().unwrap().remove(0);
    scene.answer();
    assert_eq!(second.await.unwrap(), 1);
}

#[tokio::test]
async fn without_a_number_nobody_waits() {
    let scene = Scene::new(None).await;
    let (first, _staying) = scene.ask().await;
    let (second, _staying_too) = scene.ask().await;
    let (_first, _second) = (finish(first), finish(second));
    settle().await;
    assert_eq!(scene.asked(), 2);
    assert!(!scene.worker.is_fully_at_work());
}
