#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::Kind;
use crate::sglang::choices::DONE;
use crate::testing::{Converted, convert};

fn converter(request: Value) -> TokenConverter {
    TokenConverter::new(&mut serde_json::from_value(request).unwrap(), true)
}

fn run(request: Value, events: &[Value]) -> Converted {
    let mut events: Vec<String> = events.iter().map(Value::to_string).collect();
    events.push("[DONE]".into());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    convert(&mut converter(request), &events)
}

fn going(ids: &[u32]) -> Value {
    json!({"output_ids": ids, "meta_info": {"finish_reason": null}})
}

fn stopped(matched: Value) -> Value {
    json!({"output_ids": [], "meta_info": {"finish_reason": {"type": "stop", "matched": matched}}})
}

fn failed(status: Value, error_type: Value) -> Value {
    json!({"output_ids": [9], "meta_info": {"finish_reason": {
        "type": "abort", "message": "why", "status_code": status, "err_type": error_type,
    }}})
}

fn stop_reason(matched: Value) -> Value {
    let request =
        json!({"stop_conditions": {"stop_token_ids": [5, 6], "stop_token_ids_hidden": [2]}});
    run(request, &[stopped(matched)]).chunks[0]["stop_reason"].clone()
}

#[test]
fn stop_reasons_a_client_may_read() {
    assert_eq!(stop_reason(json!("END")), json!("END"));
    assert_eq!(stop_reason(json!(5)), json!(5));
    assert_eq!(stop_reason(json!([5, 6])), json!([5, 6]));
    assert_eq!(stop_reason(json!([])), json!([]));
    for hidden in [json!(2), json!([5, 2]), json!(true), json!(null), json!({})] {
        assert_eq!(stop_reason(hidden), Value::Null);
    }
}

#[test]
fn finish_words() {
    let word = |kind: &str| {
        let event = json!({"output_ids": [], "meta_info": {"finish_reason": {"type": kind}}});
        run(json!({}), &[event]).chunks[0]["finish_reason"].clone()
    };
    assert_eq!(word("length"), "length");
    assert_eq!(word("abort"), "cancelled");
    assert_eq!(word("abort_by_user"), "cancelled");
    assert_eq!(word("tired"), "tired");
}

#[test]
fn engine_failures_end_the_answer_without_their_chunk() {
    for (event, kind) in [
        (failed(json!(400), json!(null)), Kind::InvalidRequest),
        (failed(json!(503), json!(null)), Kind::Unavailable),
        (failed(json!(null), json!("Boom")), Kind::Internal),
        (json!({"error": {"message": "why", "code": 400}}), Kind::InvalidRequest),
        (json!({"error": {"message": "why"}}), Kind::Internal),
        (json!({"output_ids": [1], "meta_info": {}}), Kind::Internal),
        (json!({"output_ids": [1]}), Kind::Internal),
        (json!({"output_ids": "x", "meta_info": {"finish_reason": null}}), Kind::BackendProtocol),
    ] {
        let converted = run(json!({}), &[going(&[1]), event.clone()]);
        assert_eq!(converted.chunks, [json!({"index": 0, "token_ids": [1]})], "{event}");
        assert_eq!(converted.error.unwrap().kind(), kind, "{event}");
    }
}

#[test]
fn malformed_json_is_the_backends_fault() {
    let converted = convert(&mut converter(json!({})), &["{\"output_ids\": ["]);
    assert_eq!(converted.error.unwrap().kind(), Kind::BackendProtocol);
}

#[test]
fn a_stream_cut_short_can_go_on_elsewhere() {
    let first = going(&[1]).to_string();
    let converted = convert(&mut converter(json!({})), &[&first]);
    assert_eq!(converted.error.unwrap().kind(), Kind::Unavailable);
    let last = stopped(json!(null)).to_string();
    assert!(convert(&mut converter(json!({})), &[&last]).error.is_none());
    let one_of_two = convert(&mut converter(json!({"sampling_options": {"n": 2}})), &[&last]);
    assert_eq!(one_of_two.error.unwrap().kind(), Kind::Unavailable);
}

#[test]
fn an_unfinished_answer_the_engine_ended_is_dropped_there() {
    let mut converter = converter(json!({}));
    let mut chunks = Chunks::default();
    assert!(matches!(converter.event(DONE, &mut chunks), Ok(Flow::Continue)));
    converter.event(going(&[1]).to_string().as_bytes(), &mut chunks).unwrap();
    assert!(matches!(converter.event(DONE, &mut chunks), Ok(Flow::Done)));
    converter.event(stopped(json!(null)).to_string().as_bytes(), &mut chunks).unwrap();
    assert!(matches!(converter.event(DONE, &mut chunks), Ok(Flow::Continue)));
}

#[test]
fn engine_data_is_gathered() {
    let event = json!({
        "output_ids": [1],
        "engine_data": {"own": 1},
        "meta_info": {"finish_reason": null, "routed_experts": "AAEC", "prompt_tokens": 3},
    });
    let converted = run(json!({}), &[event, stopped(json!(null))]);
    assert_eq!(converted.chunks[0]["engine_data"], json!({"own": 1, "routed_experts": "AAEC"}));
    assert_eq!(converted.chunks[1].get("engine_data"), None);
}

#[test]
fn a_token_that_cannot_be_is_infinitely_unlikely() {
    let event = json!({"output_ids": [1], "meta_info": {
        "finish_reason": null, "output_token_logprobs": [[null, 1, null]],
    }});
    assert_eq!(log_probs(&event), [f64::NEG_INFINITY]);
}

/// What is sent of them for one event.
fn log_probs(event: &Value) -> Vec<f64> {
    #[derive(serde::Deserialize)]
    struct Sent {
        log_probs: Vec<f64>,
    }
    let mut chunks = Chunks::default();
    converter(json!({})).event(event.to_string().as_bytes(), &mut chunks).unwrap();
    let sent: Sent = rmp_serde::from_slice(&chunks.into_encoded()[0]).unwrap();
    sent.log_probs
}

#[test]
fn every_digit_of_a_logprob_counts() {
    let logprobs: Vec<f64> = (1..1000).map(|n| f64::from(n) / -7.0).collect();
    let listed: Vec<Value> = logprobs.iter().map(|logprob| json!([logprob, 1, null])).collect();
    let event = json!({"output_ids": vec![1; listed.len()], "meta_info": {
        "finish_reason": null, "output_token_logprobs": listed,
    }});
    assert_eq!(log_probs(&event), logprobs);
}

/// As a real SGLang 0.5.23 streamed it, with `logprob_start_len: 0` and two alternatives.
#[test]
fn a_real_stream() {
    let events: Vec<&str> = include_str!("generate_stream.sse")
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let converted = convert(&mut converter(json!({})), &events);
    assert!(converted.error.is_none());
    let [first, last] = &converted.chunks[..] else { panic!("{:?}", converted.chunks) };
    assert_eq!(first["token_ids"], json!([353]));
    assert_eq!(first["log_probs"].as_array().unwrap().len(), 1);
    assert_eq!(first["top_logprobs"][0][0]["rank"], 1);
    assert_eq!(first["top_logprobs"][0][0]["token_id"], 353);
    assert_eq!(first.get("engine_data"), None);
    assert_eq!(last["finish_reason"], "length");
    assert_eq!(last["completion_usage"]["total_tokens"], 5);
    let prompt = last["engine_data"]["prompt_logprobs"].as_array().unwrap();
    assert_eq!((prompt.len(), &prompt[0]), (3, &Value::Null));
    let second = prompt[1].as_object().unwrap();
    assert_eq!(second.keys().collect::<Vec<_>>(), ["11", "183", "326"]);
    assert_eq!(
        last["engine_data"]["kv_cache_hit"],
        json!({"prompt_tokens": 3, "reused_tokens": 0})
    );
}
