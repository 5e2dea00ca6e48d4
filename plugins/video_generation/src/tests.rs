#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use dynamo_worker_sdk::testing;

use super::*;

fn worker() -> VideoGeneration {
    let report = testing::engine_report("/model_info", &json!({"output_types": ["VIDEO"]}));
    VideoGeneration::configure(Settings::default(), report).unwrap()
}

fn plan(request: Json) -> Plan<Job> {
    testing::plan(&worker(), request).unwrap()
}

fn body(request: Json) -> Json {
    let call = plan(request).next.and_then(Step::into_call).unwrap();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/v1/videos"));
    serde_json::from_slice(&call.body).unwrap()
}

/// The answer to a request that is wrong.
fn answer(request: Json) -> Json {
    let plan = plan(request);
    assert!(plan.next.is_none());
    let [chunk] = &plan.preface.into_encoded()[..] else { panic!("not one chunk") };
    rmp_serde::from_slice(chunk).unwrap()
}

#[test]
fn what_a_request_leaves_out() {
    let expected = json!({
        "prompt": "p", "size": "832x480", "num_frames": 96, "fps": 24, "num_inference_steps": 50,
        "guidance_scale": 5.0, "seed": 123_456,
    });
    for request in [
        json!({"prompt": "p", "model": "m"}),
        json!({"prompt": "p", "model": "m", "nvext": null}),
        json!({"prompt": "p", "model": "m", "nvext": {}, "input_reference": "", "output_format": ""}),
    ] {
        assert_eq!(body(request), expected);
    }
}

#[test]
fn who_counts_frames_needs_no_seconds() {
    let request = json!({"prompt": "p", "model": "m", "seconds": null, "nvext": {"num_frames": 4}});
    assert_eq!(body(request)["num_frames"], 4);
}

#[test]
fn what_is_wrong_stands_in_the_answer() {
    for (member, request) in [
        ("size", json!({"size": "10x"})),
        ("size", json!({"size": null})),
        ("size", json!({"size": "2049x2048"})),
        ("seconds", json!({"seconds": -1})),
        ("seconds", json!({"seconds": null})),
        ("seconds", json!({"seconds": 61})),
        ("seconds", json!({"seconds": 9_223_372_036_854_775_807_i64})),
        ("fps", json!({"nvext": {"fps": 0}})),
        ("fps", json!({"nvext": {"fps": null}})),
        ("num_frames", json!({"nvext": {"num_frames": -1}})),
        ("num_frames", json!({"nvext": {"num_frames": 0}})),
        ("num_frames", json!({"nvext": {"num_frames": 1441}})),
        ("num_inference_steps", json!({"nvext": {"num_inference_steps": 0}})),
        ("num_inference_steps", json!({"nvext": {"num_inference_steps": 1001}})),
        ("guidance_scale", json!({"nvext": {"guidance_scale": -0.1}})),
        ("nvext.guidance_scale", json!({"nvext": {"guidance_scale": null}})),
        ("seed", json!({"nvext": {"seed": -1}})),
        ("output_format", json!({"output_format": "webm"})),
        ("response_format", json!({"response_format": "png"})),
        ("prompt", json!({"prompt": 1})),
        ("nvext", json!({"nvext": []})),
    ] {
        let mut whole = json!({"prompt": "p", "model": "m"});
        whole.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
        let answer = answer(whole);
        assert_eq!((&answer["status"], &answer["model"]), (&json!("failed"), &json!("m")));
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with(&format!("{member}: ")), "{error}");
    }
    assert_eq!(answer(json!({"prompt": "p"}))["model"], "unknown");
}

/// What follows an event.
fn next(job: &mut Job, event: &str) -> Result<Flow> {
    job.event(event.as_bytes(), &mut Chunks::default())
}

#[test]
fn a_job_is_asked_after_ever_less_often() {
    let mut job = plan(json!({"prompt": "p", "model": "m"})).converter;
    let mut waits = Vec::new();
    for status in
        ["queued", "in_progress", "in_progress", "in_progress", "in_progress", "in_progress"]
    {
        let Flow::Then(step) =
            next(&mut job, &format!(r#"{{"id": "a-1", "status": "{status}"}}"#)).unwrap()
        else {
            panic!("{status} is no end");
        };
        waits.push(step.after);
        let abort = step.abort.as_ref().unwrap();
        assert_eq!((abort.method.as_str(), abort.path.as_str()), ("DELETE", "/v1/videos/a-1"));
        assert_eq!(step.into_call().unwrap().path, "/v1/videos/a-1");
    }
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis));
    let Ok(Flow::Then(step)) = next(&mut job, r#"{"id": "a-1", "status": "completed"}"#) else {
        panic!("nothing is fetched");
    };
    let call = step.into_call().unwrap();
    assert_eq!((call.path.as_str(), call.framing), ("/v1/videos/a-1/content", Framing::Blob));
}

#[test]
fn an_engine_that_makes_no_sense() {
    for event in [
        "not JSON",
        r#"{"status": "queued"}"#,
        r#"{"id": "../up", "status": "queued"}"#,
        r#"{"id": "", "status": "queued"}"#,
    ] {
        let mut job = plan(json!({"prompt": "p", "model": "m"})).converter;
        let mut chunks = Chunks::default();
        assert!(matches!(job.event(event.as_bytes(), &mut chunks), Ok(Flow::Done)), "{event}");
        let answer: Json = rmp_serde::from_slice(&chunks.into_encoded()[0]).unwrap();
        assert_eq!(answer["status"], "failed");
        assert!(!answer["error"].as_str().unwrap().contains("engine"), "it is for the log");
    }
}

#[test]
fn an_engine_that_refuses() {
    let rejected = |status| {
        let mut job = plan(json!({"prompt": "p", "model": "m"})).converter;
        let mut chunks = Chunks::default();
        let outcome = job.rejected(status, br#"{"detail": "fps is odd"}"#, &mut chunks);
        (outcome, chunks.into_encoded())
    };
    let (outcome, chunks) = rejected(400);
    let answer: Json = rmp_serde::from_slice(&chunks[0]).unwrap();
    assert!(outcome.is_ok());
    assert_eq!(answer["error"], "fps is odd");
    // Another worker may have an engine that lives.
    let (outcome, chunks) = rejected(503);
    assert_eq!(outcome.unwrap_err().kind(), Kind::Unavailable);
    assert!(chunks.is_empty());
}
