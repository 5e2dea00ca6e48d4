#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn configured(more: Json) -> Result<LlmDiffusion> {
    let mut info = json!({"dllm_algorithm": "LowConfidence"});
    for (name, value) in more.as_object().unwrap() {
        info[name] = value.clone();
    }
    LlmDiffusion::configure(Settings::default(), testing::engine_report("/server_info", &info))
}

fn plan(request: Json) -> Result<Plan<Answer>> {
    testing::plan(&configured(json!({})).unwrap(), request)
}

fn start(words: &[&str]) -> Start {
    Start {
        settings: b"{}".to_vec(),
        model_path: Some("m".into()),
        served_name: None,
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        host: "127.0.0.1".into(),
        port: 28200,
        scratch: "/scratch".into(),
    }
}

#[test]
fn no_id_at_the_engine() {
    let plan = plan(json!({"token_ids": [1, 2], "sampling_options": {"temperature": 0}})).unwrap();
    let step = plan.next.unwrap();
    assert!(step.abort.is_none());
    let call = step.into_call().unwrap();
    assert_eq!(call.tokens_as.as_deref(), Some("input_ids"));
    assert_eq!(
        serde_json::from_slice::<Json>(&call.body).unwrap(),
        json!({"stream": true, "sampling_params": {"max_new_tokens": null, "temperature": 0}})
    );
}

#[test]
fn what_has_no_place_is_refused() {
    for request in [
        json!({"thinking_token_budget": 5}),
        json!({"nvext": {"max_thinking_tokens": 0}}),
        json!({"multi_modal_data": {"audio_url": ["a"]}}),
        json!({"multi_modal_data": "a"}),
        json!({"extra_args": {"messages": [{"content": [{"type": "image_url"}]}]}}),
    ] {
        let failure = plan(request).unwrap_err().into_failure();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(failure.public);
    }
    assert!(plan(json!({"multi_modal_data": {"image_url": []}})).is_ok());
}

#[test]
fn the_algorithm_must_be_given() {
    let arguments = |words: &[&str]| {
        LlmDiffusion::prepare(Settings::default(), start(words))
            .map(|setup| setup.unwrap().arguments.join(" "))
    };
    let error = arguments(&["--page-size", "16"]).unwrap_err();
    assert!(format!("{error:?}").contains("--dllm-algorithm is missing"));
    let limited = |words: &[&str]| arguments(words).unwrap().contains("--max-running-requests 8");
    assert!(limited(&["--dllm-algorithm=LowConfidence"]));
    assert!(!limited(&["--dllm-algorithm", "LowConfidence", "--max-running-requests", "2"]));
    assert!(!limited(&["--config", "engine.yaml"]));
}

#[test]
fn engines_of_other_kinds_are_refused() {
    for info in [
        json!({"dllm_algorithm": null}),
        json!({"disaggregation_mode": "prefill"}),
        json!({"is_embedding": true}),
        json!({"incremental_streaming_output": false}),
    ] {
        assert_eq!(configured(info).unwrap_err().kind(), Kind::NotImplemented);
    }
}
