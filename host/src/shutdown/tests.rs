#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;

/// A worker that notes what it is made to do.
#[derive(Default)]
struct Recorder {
    steps: Mutex<Vec<Value>>,
    /// Whether what is in flight ends in time.
    finishes: bool,
}

impl Recorder {
    fn note(&self, step: Value) {
        self.steps.lock().unwrap().push(step);
    }
}

#[async_trait]
impl Steps for Recorder {
    async fn unregister(&self, _: Duration) {
        self.note(json!("discovery.unregister"));
    }

    async fn serve_on(&self, grace: Duration) {
        self.note(json!({"sleep_grace_period": grace.as_secs_f64()}));
    }

    async fn finish(&self, _: Duration) -> bool {
        self.finishes
    }

    async fn hand_over(&self) {
        self.note(json!("hand over"));
    }

    async fn close(&self) {
        self.note(json!("runtime.shutdown"));
    }

    async fn stop_engine(&self, _: Duration) {
        self.note(json!("engine"));
    }

    async fn end(&self) {
        self.note(json!("end"));
    }
}

async fn steps(grace: Duration, finishes: bool) -> Vec<Value> {
    let worker = Recorder { finishes, ..Recorder::default() };
    let patience = Patience { grace, drain: Duration::ZERO, engine: Duration::ZERO };
    leave(&worker, patience).await;
    worker.steps.into_inner().unwrap()
}

/// The order Dynamo's workers were recorded in, with the engine's signal in the place of the handlers
/// that SGLang had registered.
#[tokio::test]
async fn a_worker_leaves_in_dynamos_order() {
    let vectors = include_str!("../../../tests/vectors/shutdown.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    let flows = vectors.iter().filter(|vector| vector["input"]["signals"] == json!(["SIGTERM"]));
    let mut count = 0;
    for vector in flows {
        let grace = vector["input"]["grace_period_s"].as_str().unwrap().parse().unwrap();
        let trace = vector["expected"]["trace"].as_array().unwrap().iter();
        let mut expected: Vec<Value> = trace
            .filter_map(|step| match step {
                step if step.get("runtime.shutdown").is_some() => Some(json!("runtime.shutdown")),
                step if step.get("deferred").is_some() => Some(json!("engine")),
                step if step.get("shutdown_event_set").is_some() => None,
                step => Some(step.clone()),
            })
            .collect();
        expected.dedup();
        let mut ours = steps(Duration::from_secs_f64(grace), true).await;
        ours.truncate(expected.len());
        assert_eq!(ours, expected, "{}", vector["name"]);
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn the_grace_period_is_read_as_dynamo_reads_it() {
    use crate::cli::{Environment, resolve};

    let vectors = include_str!("../../../tests/vectors/shutdown.json");
    let mut vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    let name = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS";
    let otherwise = json!({"input": {name: "soon"}, "expected": {"seconds": 5.0}});
    vectors.push(otherwise);
    let mut count = 0;
    for vector in &vectors {
        let Some(text) = vector["input"][name].as_str() else { continue };
        let environment = Environment::from_iter([(name.to_owned(), text.to_owned())]);
        let words = ["dynamo-host", "--model-path", "m"].map(String::from);
        let arguments = resolve(words, &environment).unwrap();
        let seconds = arguments.flags.runtime.grace_period.as_secs_f64();
        assert_eq!(vector["expected"]["seconds"], seconds, "{text}");
        count += 1;
    }
    assert!(count >= 5);
}

#[tokio::test]
async fn what_does_not_finish_is_handed_over_before_the_engine_ends() {
    let ours = steps(Duration::ZERO, false).await;
    assert_eq!(ours, ["discovery.unregister", "hand over", "runtime.shutdown", "engine", "end"]);
}
