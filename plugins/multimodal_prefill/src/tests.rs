#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn worker() -> MultimodalPrefill {
    let info = json!({"disaggregation_mode": "prefill", "disaggregation_bootstrap_port": 8998});
    let report = testing::engine_report("/server_info", &info);
    MultimodalPrefill::configure(Settings::default(), report).unwrap()
}

fn asked() -> Json {
    json!({
        "request": {"request": {
            "token_ids": [1, 2], "stop_conditions": {}, "sampling_options": {},
        }},
        "sampling_params": {"top_k": 5},
    })
}

fn frames(chunks: Chunks) -> Vec<Json> {
    let text = |chunk: Vec<u8>| rmp_serde::from_slice::<String>(&chunk).unwrap();
    let chunks = chunks.into_encoded().into_iter().map(text);
    chunks.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[test]
fn the_meeting_place_comes_first() {
    let plan = testing::plan(&worker(), asked()).unwrap();
    let place = json!({
        "bootstrap_host": "127.0.0.1", "bootstrap_port": 8998,
        "bootstrap_room": 4_242_424_242_424_242_u64,
    });
    assert_eq!(frames(plan.preface), [place]);
    let body: Json = serde_json::from_slice(&plan.next.unwrap().into_call().unwrap().body).unwrap();
    assert_eq!(body["sampling_params"], json!({"top_k": 5}));
    assert_eq!(body["bootstrap_room"], 4_242_424_242_424_242_u64);
}

#[test]
fn a_request_without_a_prompt_is_told_its_room() {
    let mut asked = asked();
    asked["request"]["request"]["token_ids"] = json!([]);
    let plan = testing::plan(&worker(), asked).unwrap();
    assert!(plan.next.is_none());
    assert_eq!(frames(plan.preface)[0]["bootstrap_room"], 4_242_424_242_424_242_u64);
}

#[test]
fn what_the_engine_streams_is_of_no_interest() {
    let mut converter = testing::plan(&worker(), asked()).unwrap().converter;
    let done = r#"{"output_ids": [1], "meta_info": {"finish_reason": {"type": "length"}}}"#;
    let converted = testing::convert(&mut converter, &[done, "[DONE]"]);
    assert!(converted.chunks.is_empty() && converted.error.is_none());
}
