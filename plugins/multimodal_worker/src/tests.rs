#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn worker(mode: &str) -> Result<MultimodalWorker> {
    let info = json!({"disaggregation_mode": mode});
    MultimodalWorker::configure(Settings::default(), testing::engine_report("/server_info", &info))
}

fn arguments(words: &[&str]) -> Result<Vec<String>> {
    let start = Start {
        settings: b"{}".to_vec(),
        model_path: Some("m".into()),
        served_name: None,
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        host: "127.0.0.1".into(),
        port: 30000,
        scratch: "/scratch".into(),
    };
    Ok(MultimodalWorker::prepare(Settings::default(), start)?.unwrap().arguments)
}

#[test]
fn who_must_be_there() {
    let needs = |mode| worker(mode).unwrap().registration().unwrap().needs;
    assert_eq!(needs("null"), [["encode"]]);
    assert_eq!(needs("decode"), [["prefill"]]);
    assert!(worker("prefill").is_err());
}

#[test]
fn an_engine_that_decodes_asks_no_encoder() {
    let asks = |words: &[&str]| arguments(words).unwrap().contains(&"--language-only".to_owned());
    assert!(asks(&[]));
    assert!(asks(&["--disaggregation-mode", "null"]));
    assert!(!asks(&["--disaggregation-mode=decode"]));
    assert!(arguments(&["--disaggregation-mode", "prefill"]).is_err());
}

#[test]
fn what_is_wrong_is_told_in_a_frame() {
    let plan = testing::plan(&worker("null").unwrap(), json!({"x": 1})).unwrap();
    assert!(plan.next.is_none());
    let frames = plan.preface.into_encoded();
    let frame: String = rmp_serde::from_slice(&frames[0]).unwrap();
    let frame: Json = serde_json::from_str(&frame).unwrap();
    assert_eq!((&frame["finish_reason"], &frame["finished"]), (&json!("error"), &json!(true)));
    assert!(frame["error"].as_str().unwrap().contains("request"), "{frame}");
}

#[test]
fn a_prompt_in_text_is_the_engines_to_tokenize() {
    let request = json!({"request": {
        "prompt": "hello", "stop_conditions": {"max_tokens": 2}, "sampling_options": {},
    }});
    let plan = testing::plan(&worker("null").unwrap(), request).unwrap();
    let body: Json = serde_json::from_slice(&plan.next.unwrap().into_call().unwrap().body).unwrap();
    assert_eq!((&body["text"], &body["input_ids"]), (&json!("hello"), &json!(null)));
}
