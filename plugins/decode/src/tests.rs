#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

const INFO: &str = "/server_info";

fn configured(settings: Json, info: Json) -> Result<Decode> {
    let settings = serde_json::from_value(settings).unwrap();
    Decode::configure(settings, testing::engine_report(INFO, &info))
}

/// A worker as requests see it: from its stored state.
fn worker(settings: Json, info: Json) -> Decode {
    let stored = rmp_serde::to_vec(&configured(settings, info).unwrap()).unwrap();
    rmp_serde::from_slice(&stored).unwrap()
}

fn body(worker: &Decode, request: Json) -> Json {
    let plan = testing::plan(worker, request).unwrap();
    serde_json::from_slice(&plan.next.unwrap().into_call().unwrap().body).unwrap()
}

#[test]
fn a_plain_request() {
    let worker = worker(json!({}), json!({}));
    let plan = testing::plan(&worker, json!({"token_ids": [1, 2]})).unwrap();
    let mut step = plan.next.unwrap();
    let abort = step.abort.take().unwrap();
    let call = step.into_call().unwrap();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/generate"));
    assert_eq!(call.framing, Framing::Sse);
    assert_eq!(call.tokens_as.as_deref(), Some("input_ids"));
    let rid = "0123456789abcdef0123456789abcdef";
    assert_eq!(
        serde_json::from_slice::<Json>(&call.body).unwrap(),
        json!({
            "rid": rid, "stream": true, "require_reasoning": false,
            "sampling_params": {"max_new_tokens": null},
        })
    );
    assert_eq!(abort.path, "/abort_request");
    assert_eq!(serde_json::from_slice::<Json>(&abort.body).unwrap(), json!({"rid": rid}));
}

#[test]
fn an_old_engine_gets_what_it_knows() {
    let old = worker(json!({"engine_capabilities": []}), json!({}));
    let request = json!({
        "token_ids": [1], "require_reasoning": true, "routing": {"priority": 7},
        "agent_context": {"session_id": "s"},
    });
    assert_eq!(
        body(&old, request),
        json!({
            "rid": "0123456789abcdef0123456789abcdef", "stream": true,
            "sampling_params": {"max_new_tokens": null},
        })
    );
    let salted = testing::plan(&old, json!({"token_ids": [1], "cache_salt": "s"}));
    assert_eq!(salted.unwrap_err().kind(), Kind::InvalidRequest);
}

#[test]
fn wrong_types_are_named() {
    let worker = worker(json!({}), json!({}));
    for (request, member) in [
        (json!({"sampling_options": {"temperature": "hot"}}), "sampling_options.temperature"),
        (json!({"stop_conditions": {"max_tokens": -1}}), "stop_conditions.max_tokens"),
        (json!({"stop_conditions": {"stop_token_ids": ["x"]}}), "stop_conditions.stop_token_ids"),
        (json!({"routing": 5}), "routing"),
    ] {
        let error = testing::plan(&worker, request).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(format!("{error:?}").contains(member), "{error:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let trained = worker(json!({"enable_rl": true}), json!({}));
    let upload = json!({"token_ids": [1], "nvext": {"metadata_upload": {"url": "s3://x"}}});
    for (worker, request, kind) in [
        (&trained, upload.clone(), Kind::NotImplemented),
        (&trained, json!({"annotations": ["x-bypass-remote-prefill"]}), Kind::InvalidRequest),
        (&trained, json!({"input": ["a text to embed"]}), Kind::InvalidRequest),
    ] {
        assert_eq!(testing::plan(worker, request).unwrap_err().kind(), kind);
    }
    assert!(testing::plan(&worker(json!({}), json!({})), upload).is_ok());
}

#[test]
fn engines_of_other_kinds_are_refused() {
    for info in [
        json!({"disaggregation_mode": "prefill"}),
        json!({"dllm_algorithm": "LowConfidence"}),
        json!({"is_embedding": true}),
        json!({"incremental_streaming_output": false}),
    ] {
        assert_eq!(configured(json!({}), info).unwrap_err().kind(), Kind::NotImplemented);
    }
    let plain = json!({"disaggregation_mode": "null", "incremental_streaming_output": true});
    assert!(configured(json!({}), plain).is_ok());
}

#[test]
fn settings_are_checked() {
    assert!(configured(json!({"endpoint_types": "chat, smell"}), json!({})).is_err());
    assert!(configured(json!({"endpoint_types": ""}), json!({})).is_err());
    let no_tokenizer = json!({"skip_tokenizer_init": true});
    assert!(configured(json!({"use_sglang_tokenizer": true}), no_tokenizer).is_err());
}

#[test]
fn the_card() {
    let settings = json!({
        "endpoint_types": "chat", "dyn_tool_call_parser": "hermes",
        "dyn_default_thinking_mode": "disabled",
    });
    let worker =
        configured(settings, json!({"page_size": 16, "max_total_num_tokens": 100})).unwrap();
    let registration = worker.registration().unwrap();
    assert_eq!(registration.model_types, ["chat"]);
    assert_eq!(registration.input, Input::Tokens);
    assert_eq!(registration.kv_cache_block_size, 16);
    let config: Json = serde_json::from_slice(&registration.runtime_config).unwrap();
    assert_eq!(config["total_kv_blocks"], 7);
    assert_eq!(config["tool_call_parser"], "hermes");
    assert_eq!(
        config["runtime_data"],
        json!({"default_thinking_mode": "disabled", "sglang_generate": true})
    );
    assert_eq!(worker.health_check().unwrap()["token_ids"], json!([1]));

    let hidden = configured(json!({"endpoint_types": "none"}), json!({})).unwrap();
    assert!(hidden.registration().unwrap().model_types.is_empty());
}
