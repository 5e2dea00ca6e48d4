#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn worker(settings: Settings) -> Result<ImageDiffusion> {
    let report = testing::engine_report("/model_info", &json!({"output_types": ["IMAGE"]}));
    ImageDiffusion::configure(settings, report)
}

fn plan(request: Json) -> Result<Plan<Answer>> {
    testing::plan(&worker(Settings::default()).unwrap(), request)
}

fn body(request: Json) -> Json {
    let call = plan(request).unwrap().next.and_then(Step::into_call).unwrap();
    assert_eq!(call.path, "/v1/images/generations");
    assert_eq!(call.lift.as_deref(), Some("b64_json"));
    serde_json::from_slice(&call.body).unwrap()
}

#[test]
fn what_a_request_leaves_out() {
    assert_eq!(
        body(json!({"prompt": "p", "model": "m"})),
        json!({
            "prompt": "p", "size": "1024x1024", "num_inference_steps": 50, "guidance_scale": 7.5,
            "seed": 123_456, "response_format": "b64_json", "output_format": "png",
        })
    );
    let size =
        |size: Json| body(json!({"prompt": "p", "model": "m", "size": size}))["size"].clone();
    assert_eq!(size(json!("auto")), "1024x1024");
    assert_eq!(size(json!(null)), "1024x1024");
}

#[test]
fn steps_are_clamped() {
    let steps = |steps: Json| {
        let nvext = json!({"num_inference_steps": steps, "seed": 0});
        let body = body(json!({"prompt": "p", "model": "m", "nvext": nvext}));
        assert_eq!(body["seed"], 0);
        body["num_inference_steps"].as_u64().unwrap()
    };
    for (given, taken) in [(json!(0), 50), (json!(null), 50), (json!(51), 50), (json!(1), 1)] {
        assert_eq!(steps(given), taken);
    }
}

#[test]
fn wrong_requests_are_named() {
    let with = |member: &str, value: Json| {
        let mut request = json!({"prompt": "p", "model": "m", "nvext": {}});
        match request["nvext"].get(member) {
            None if ["num_inference_steps", "guidance_scale", "seed"].contains(&member) => {
                request["nvext"][member] = value;
            }
            _ => request[member] = value,
        }
        plan(request).unwrap_err().into_failure()
    };
    for (member, value) in [
        ("size", json!("0x0")),
        ("size", json!("4097x4096")),
        ("num_inference_steps", json!(-1)),
        ("guidance_scale", json!(-1.0)),
        ("seed", json!(-1)),
        ("user", json!("../up")),
        ("input_reference", json!("")),
        ("input_reference", json!("  ")),
        ("input_reference", json!("data:image/png;base64,AAAA")),
        ("input_reference", json!("DATA:image/png;base64,AAAA")),
    ] {
        let failure = with(member, value);
        assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, true));
        assert!(failure.message.starts_with(&format!("{member}: ")), "{}", failure.message);
    }
    for request in [
        json!({"prompt": "p"}),
        json!({"model": "m"}),
        json!({"prompt": 1, "model": "m"}),
        json!({"prompt": "p", "model": "m", "nvext": []}),
    ] {
        let failure = plan(request).unwrap_err().into_failure();
        assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, false));
    }
}

#[test]
fn surfaces() {
    let surfaces = |modalities: &[&str]| {
        let output_modalities =
            Some(modalities.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let settings = Settings { output_modalities, ..Settings::default() };
        worker(settings).unwrap().registration().unwrap().model_types
    };
    assert_eq!(surfaces(&["text"]), ["images", "chat"]);
    assert_eq!(surfaces(&["video"]), ["videos"]);
}

#[test]
fn an_answer_without_an_image() {
    let mut plan = plan(json!({"prompt": "p", "model": "m"})).unwrap();
    let none = testing::convert(&mut plan.converter, &[r#"{"data": []}"#]);
    assert_eq!(none.chunks, [json!({"created": 1_700_000_000, "data": []})]);
    for answer in [r#"{"data": [{"url": "/somewhere"}]}"#, "{}", "not JSON"] {
        let converted = testing::convert(&mut plan.converter, &[answer]);
        assert_eq!(converted.error.unwrap().kind(), Kind::BackendProtocol, "{answer}");
    }
}
