//! The types of the members of SGLang's `/generate`.
//!
//! SGLang checks them itself, and has the last word. What can only be wrong is refused here already:
//! before the engine is bothered, and with the name of the member. Lenient where SGLang is (pydantic's
//! lax mode takes `"5"` for a number and `"yes"` for a flag); members it does not know it ignores.

use serde_json::{Map, Value};

use crate::Result;
use crate::sglang::errors::refused;

/// What a member may be.
#[derive(Clone, Copy)]
enum Shape {
    /// A flag; null is none.
    Flag,
    /// Flags, one or a list of them, or null.
    Flags,
    /// A whole number or null.
    Whole,
    /// Whole numbers, one or a list of them, or null.
    Wholes,
    /// A list of whole numbers or of lists of them, or null.
    WholeLists,
    /// A number or null.
    Number,
    /// A string or null.
    Text,
    /// Strings, one or a list of them, or null.
    Texts,
    /// A list of strings or of lists of them, or null.
    TextLists,
    /// A list of lists, or null.
    Lists,
    /// One of these words, or a list of them, or null.
    Words(&'static [&'static str]),
    /// Flags or the word `last`, one or a list of them; null is none.
    FlagsOrLast,
    /// A list of strings or null.
    TextList,
    /// An object or null.
    Object,
    /// Objects, one or a list of them, or null.
    Objects,
}

/// SGLang 0.5.23. What is left out may be anything, or is overwritten.
const MEMBERS: &[(Shape, &[&str])] = &[
    (
        Shape::Flag,
        &[
            "background",
            "log_metrics",
            "no_logs",
            "require_reasoning",
            "return_bytes",
            "return_entropy",
            "return_flat_raw_output_top_logprobs",
            "return_flat_raw_top_logprobs",
            "return_flat_raw_top_logprobs_b64",
            "return_indexer_topk",
            "return_prompt_token_ids",
            "return_routed_experts",
            "return_text_in_logprobs",
            "use_audio_in_video",
        ],
    ),
    (Shape::Flags, &["return_logprob", "return_sampling_mask"]),
    (
        Shape::Whole,
        &[
            "data_parallel_rank",
            "disagg_prefill_dp_rank",
            "image_max_dynamic_patch",
            "max_dynamic_patch",
            "max_thinking_tokens",
            "min_dynamic_patch",
            "priority",
            "routed_dp_rank",
            "routed_experts_start_len",
            "video_max_dynamic_patch",
        ],
    ),
    (
        Shape::Wholes,
        &[
            "bootstrap_port",
            "bootstrap_room",
            "decode_tp_size",
            "logprob_start_len",
            "top_logprobs_num",
        ],
    ),
    (
        Shape::WholeLists,
        &["multi_item_delimiter_indices", "token_ids_logprob", "token_indices_to_pool"],
    ),
    (Shape::Number, &["received_time"]),
    (Shape::Text, &["conversation_id", "http_worker_ipc", "routing_key", "session_id"]),
    (
        Shape::Texts,
        &[
            "bootstrap_host",
            "bootstrap_pair_key",
            "cache_salt",
            "custom_logit_processor",
            "extra_key",
            "lora_id",
            "lora_path",
            "text",
        ],
    ),
    (Shape::TextList, &["encoder_urls", "modalities"]),
    (Shape::TextLists, &["mm_content_hashes", "mm_hashes"]),
    (Shape::Lists, &["input_embeds"]),
    (Shape::Words(&["selected", "support"]), &["sampling_logprobs_mode"]),
    (Shape::FlagsOrLast, &["return_hidden_states"]),
    (
        Shape::Object,
        &[
            "custom_labels",
            "images_config",
            "mm_processor_kwargs",
            "num_items_assigned",
            "session_params",
            "video_config",
        ],
    ),
    (Shape::Objects, &["kv_hints", "sampling_params"]),
];

/// Refuses members of the wrong type.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), naming the first.
pub(super) fn check(members: &Map<String, Value>) -> Result<()> {
    for (shape, names) in MEMBERS {
        for name in *names {
            if let Some(value) = members.get(*name).filter(|value| !shape.takes(value)) {
                return Err(refused(format!(
                    "extra_args.sglang_tito.{name}: {value} does not fit"
                )));
            }
        }
    }
    Ok(())
}

impl Shape {
    fn takes(self, value: &Value) -> bool {
        match self {
            Shape::Flag => flag(value),
            Shape::Flags => value.is_null() || one_or_many(value, flag),
            Shape::Whole => value.is_null() || whole(value),
            Shape::Wholes => {
                value.is_null() || one_or_many(value, |one| one.is_null() || whole(one))
            }
            Shape::WholeLists => {
                value.is_null() || many(value, |one| whole(one) || many(one, whole))
            }
            Shape::Number => value.is_null() || value.is_number() || text_of::<f64>(value),
            Shape::Text => value.is_null() || value.is_string(),
            Shape::Texts => {
                value.is_null() || one_or_many(value, |one| one.is_null() || one.is_string())
            }
            Shape::TextLists => {
                let text = |one: &Value| one.is_null() || one.is_string();
                value.is_null() || many(value, |one| text(one) || many(one, text))
            }
            Shape::Lists => value.is_null() || many(value, Value::is_array),
            Shape::Words(words) => {
                let word = |one: &Value| {
                    one.is_null() || one.as_str().is_some_and(|word| words.contains(&word))
                };
                one_or_many(value, word)
            }
            Shape::FlagsOrLast => one_or_many(value, |one| flag(one) || one == "last"),
            Shape::TextList => value.is_null() || many(value, Value::is_string),
            Shape::Object => value.is_null() || value.is_object(),
            Shape::Objects => value.is_null() || one_or_many(value, Value::is_object),
        }
    }
}

fn one_or_many(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    fits(value) || many(value, fits)
}

fn many(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(fits))
}

fn flag(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::Number(number) => {
            number.as_f64().is_some_and(|number| number == 0.0 || number == 1.0)
        }
        Value::String(word) => {
            ["0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"]
                .contains(&word.to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

fn whole(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::Number(number) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => text_of::<i128>(value),
    }
}

/// Whether it is a string that spells a `T`.
fn text_of<T: std::str::FromStr>(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().parse::<T>().is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(value: Value) -> bool {
        value.as_object().is_some_and(|members| check(members).is_ok())
    }

    #[test]
    fn what_sglang_takes_passes() {
        assert!(fits(json!({
            "unheard_of": [1], "return_logprob": [true, 1], "top_logprobs_num": "5",
            "lora_path": [null, "a"], "bootstrap_room": u64::MAX, "token_ids_logprob": [[1], [2]],
            "sampling_params": null, "return_entropy": "Yes", "image_data": 5,
        })));
    }

    #[test]
    fn what_can_only_be_wrong_does_not() {
        for wrong in [
            json!({"return_logprob": {"a": 1}}),
            json!({"sampling_params": "x"}),
            json!({"sampling_params": [1]}),
            json!({"top_logprobs_num": 2.5}),
            json!({"require_reasoning": null}),
            json!({"session_params": [1]}),
            json!({"modalities": "x"}),
            json!({"token_ids_logprob": 5}),
            json!({"text": 5}),
            json!({"return_hidden_states": "first"}),
            json!({"sampling_logprobs_mode": "all"}),
            json!({"input_embeds": [1]}),
        ] {
            assert!(!fits(wrong));
        }
    }
}
