#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn worker() -> Embedding {
    let report = testing::engine_report("/server_info", &json!({"is_embedding": true}));
    Embedding::configure(Settings::default(), report).unwrap()
}

fn body(input: Json) -> Json {
    let plan = testing::plan(&worker(), json!({"model": "m", "input": input})).unwrap();
    let step = plan.next.unwrap();
    assert!(step.abort.is_none());
    let call = step.into_call().unwrap();
    assert_eq!((call.path.as_str(), call.framing), ("/encode", Framing::Whole));
    serde_json::from_slice(&call.body).unwrap()
}

fn answer(request: Json, event: &str) -> testing::Converted {
    let mut plan = testing::plan(&worker(), request).unwrap();
    testing::convert(&mut plan.converter, &[event])
}

#[test]
fn the_four_kinds_of_input() {
    let rid = "0123456789abcdef0123456789abcdef";
    let rids = [format!("{rid}-0"), format!("{rid}-1")];
    assert_eq!(body(json!("a")), json!({"text": "a", "rid": rid}));
    assert_eq!(body(json!(["a", "b"])), json!({"text": ["a", "b"], "rid": rids}));
    assert_eq!(body(json!([1, 2])), json!({"input_ids": [1, 2], "rid": rid}));
    assert_eq!(body(json!([[1], [2, 3]])), json!({"input_ids": [[1], [2, 3]], "rid": rids}));
    assert_eq!(body(json!([])), json!({"input_ids": [], "rid": rid}));
}

#[test]
fn wrong_requests_are_named_but_not_to_the_client() {
    for (request, member) in [
        (json!({"model": "m"}), "input"),
        (json!({"input": "a"}), "model"),
        (json!({"model": "m", "input": null}), "input"),
        (json!({"model": "m", "input": ""}), "input"),
        (json!({"model": "m", "input": ["a", ""]}), "input[1]"),
        (json!({"model": "m", "input": [[1], []]}), "input[1]"),
        (json!({"model": "m", "input": ["a", 1]}), "input"),
        (json!({"model": "m", "input": [-1]}), "input"),
        (json!({"model": "m", "input": [4_294_967_296_u64]}), "input"),
        (json!({"model": "m", "input": [1.5]}), "input"),
        (json!({"model": "m", "input": "a", "dimensions": 0}), "dimensions"),
        (json!({"model": "m", "input": "a", "dimensions": -1}), "dimensions"),
        (json!({"model": "m", "input": "a", "encoding_format": "hex"}), "encoding_format"),
    ] {
        let failure = testing::plan(&worker(), request).unwrap_err().into_failure();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(!failure.public);
        assert!(failure.message.contains(member), "{}", failure.message);
    }
}

#[test]
fn vectors() {
    let answer = |dimensions, numbers| {
        let request = json!({"model": "m", "input": "a", "dimensions": dimensions});
        answer(request, &format!(r#"[{{"embedding": {numbers}}}]"#))
    };
    let embedding =
        |converted: testing::Converted| converted.chunks[0]["data"][0]["embedding"].clone();
    assert_eq!(embedding(answer(None, "[1, -2.5]")), "AACAPwAAIMA=");
    assert_eq!(embedding(answer(None, "[]")), "");
    assert_eq!(embedding(answer(Some(1), "[1, 1e39]")), "AACAPw==");
    for (dimensions, numbers, kind) in [
        (Some(3), "[1, 2]", Kind::InvalidRequest),
        (Some(u64::MAX), "[1, 2]", Kind::InvalidRequest),
        (None, "[1, 1e39]", Kind::Internal),
        (None, "null", Kind::Internal),
        (None, r#"["x"]"#, Kind::BackendProtocol),
        (None, "[null]", Kind::BackendProtocol),
    ] {
        assert_eq!(answer(dimensions, numbers).error.unwrap().kind(), kind);
    }
}

#[test]
fn the_health_check() {
    assert_eq!(worker().health_check().unwrap(), json!({"model": "test-model", "input": [1]}));
    let settings = Settings { use_sglang_tokenizer: Some(true), ..Settings::default() };
    let report = testing::engine_report("/server_info", &json!({}));
    let worker = Embedding::configure(settings, report).unwrap();
    assert_eq!(worker.health_check().unwrap(), json!({"model": "test-model", "input": "Test"}));
}
