//! The request that shows whether a text worker works.

use serde_json::{Value, json};

use super::disagg::FAKE_HOST;
use super::python;
use crate::EngineReport;

/// What stands for the beginning of a text where the tokenizer names no such token.
const NO_BEGINNING: u64 = 1;

/// One token from one token, greedily. Mirrors Dynamo's `SglangHealthCheckPayload`.
pub fn tokens_payload(beginning: u64) -> Value {
    payload("token_ids", json!([beginning]))
}

/// The same for workers whose engine tokenizes.
pub fn text_payload() -> Value {
    payload("prompt", json!("Test"))
}

fn payload(input: &str, prompt: Value) -> Value {
    json!({
        "stop_conditions": {"max_tokens": 1, "ignore_eos": false},
        "sampling_options": {"temperature": 0.0, "top_p": 1.0, "top_k": -1},
        "eos_token_ids": [],
        "annotations": [],
        input: prompt,
    })
}

/// Makes it one that a prefill or a decode engine answers alone.
pub fn pretend_transfer(payload: &mut Value, bootstrap_port: u16) {
    payload["bootstrap_info"] = json!({
        "bootstrap_host": FAKE_HOST, "bootstrap_port": bootstrap_port, "bootstrap_room": 0,
    });
    payload["_HEALTH_CHECK"] = true.into();
}

/// The id of the token that begins a text: the tokenizer's, or else the model's, or else 1.
pub fn beginning_of_text(report: &EngineReport) -> u64 {
    let tokenizer = report.file("tokenizer_config.json");
    // Whatever Python would make an integer of, as Dynamo does.
    let said = python::int(&tokenizer["bos_token_id"]);
    if let Some(id) = said.and_then(|id| u64::try_from(id).ok()) {
        return id;
    }
    let token = &tokenizer["bos_token"];
    let text = token.as_str().or_else(|| token["content"].as_str());
    if let (Some(text), Some(added)) = (text, tokenizer["added_tokens_decoder"].as_object())
        && let Some(id) = added
            .iter()
            .find(|(_, token)| token["content"] == text)
            .and_then(|(id, _)| id.parse().ok())
    {
        return id;
    }
    // A tokenizer that says it has none is believed, whatever the model's configuration says.
    if tokenizer.get("bos_token").is_some_and(Value::is_null) {
        return NO_BEGINNING;
    }
    let config = report.file("config.json");
    [&config["bos_token_id"], &config["text_config"]["bos_token_id"]]
        .into_iter()
        .find_map(Value::as_u64)
        .unwrap_or(NO_BEGINNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(tokenizer: Value, config: Value) -> u64 {
        beginning_of_text(&EngineReport {
            model_path: String::new(),
            served_name: String::new(),
            address: "127.0.0.1".into(),
            answers: Vec::new(),
            files: vec![
                ("tokenizer_config.json".into(), tokenizer.to_string().into_bytes()),
                ("config.json".into(), config.to_string().into_bytes()),
            ],
        })
    }

    #[test]
    fn the_tokenizer_is_asked_first() {
        let tokenizer = json!({
            "bos_token": {"content": "<s>"}, "added_tokens_decoder": {"5": {"content": "<s>"}},
        });
        assert_eq!(beginning(tokenizer, json!({"bos_token_id": 7})), 5);
        assert_eq!(beginning(json!({"bos_token": "<s>"}), json!({"bos_token_id": 0})), 0);
        assert_eq!(beginning(json!({"bos_token_id": "9"}), json!({"bos_token_id": 7})), 9);
        assert_eq!(beginning(json!({"bos_token": null}), json!({"bos_token_id": 7})), 1);
        assert_eq!(beginning(json!({}), json!({"text_config": {"bos_token_id": 7}})), 7);
        assert_eq!(beginning(json!({}), json!({})), 1);
    }
}
