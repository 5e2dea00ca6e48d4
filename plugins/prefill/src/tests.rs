#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn configured(info: Json) -> Result<Prefill> {
    let mut server =
        json!({"disaggregation_mode": "prefill", "disaggregation_bootstrap_port": 8998});
    for (name, value) in info.as_object().unwrap() {
        server[name] = value.clone();
    }
    Prefill::configure(Settings::default(), testing::engine_report("/server_info", &server))
}

/// A worker as requests see it: from its stored state.
fn worker() -> Prefill {
    let stored = rmp_serde::to_vec(&configured(json!({})).unwrap()).unwrap();
    rmp_serde::from_slice(&stored).unwrap()
}

fn body(request: Json) -> Json {
    let plan = testing::plan(&worker(), request).unwrap();
    serde_json::from_slice(&plan.next.unwrap().into_call().unwrap().body).unwrap()
}

#[test]
fn the_meeting_place_comes_first() {
    let plan = testing::plan(&worker(), json!({"token_ids": [1, 2]})).unwrap();
    let preface = plan.preface.into_encoded();
    assert_eq!(preface.len(), 1);
    assert_eq!(
        rmp_serde::from_slice::<Json>(&preface[0]).unwrap(),
        json!({"token_ids": [], "disaggregated_params": {
            "bootstrap_host": "127.0.0.1", "bootstrap_port": 8998,
            "bootstrap_room": 4_242_424_242_424_242_u64,
        }})
    );
    let step = plan.next.unwrap();
    assert_eq!(step.abort.as_ref().unwrap().path, "/abort_request");
    assert_eq!(step.into_call().unwrap().tokens_as.as_deref(), Some("input_ids"));
}

#[test]
fn a_wrapped_request_brings_its_own_words() {
    let body = body(json!({
        "request": {"token_ids": [1, 2], "sampling_options": {"temperature": 0.5}},
        "sampling_params": {"top_p": 0.9, "max_new_tokens": 64, "custom_params": {"a": 1}},
    }));
    assert_eq!(body["input_ids"], json!([1, 2]));
    assert_eq!(
        body["sampling_params"],
        json!({"top_p": 0.9, "custom_params": {"a": 1}, "n": 1, "max_new_tokens": 1})
    );
}

#[test]
fn a_wrapped_native_request() {
    let body = body(json!({
        "request": {
            "token_ids": [1, 2],
            "extra_args": {"sglang_tito": {"sampling_params": {"top_k": 5, "max_new_tokens": 9}}},
        },
    }));
    assert_eq!(body["input_ids"], json!([1, 2]));
    assert_eq!(body["sampling_params"], json!({"top_k": 5, "n": 1, "max_new_tokens": 1}));
}

#[test]
fn every_rank_is_warmed_up() {
    let requests = configured(json!({"dp_size": 2})).unwrap().warm_up().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1]["routing"]["dp_rank"], 1);
    assert_eq!(requests[1]["bootstrap_info"]["bootstrap_host"], "2.2.2.2");
    assert_eq!(body(requests[1].clone())["bootstrap_room"], 1);
}

#[test]
fn engines_of_other_kinds_are_refused() {
    for info in [
        json!({"disaggregation_mode": "null"}),
        json!({"disaggregation_mode": "decode"}),
        json!({"is_embedding": true}),
    ] {
        assert_eq!(configured(info).unwrap_err().kind(), Kind::NotImplemented);
    }
    assert!(configured(json!({"disaggregation_bootstrap_port": null})).is_err());
}
