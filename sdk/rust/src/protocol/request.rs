//! Requests: what the frontend made of an OpenAI request.
//!
//! Only members a worker can act on are here; the rest of a request is skipped unread. Numbers the
//! engine judges (temperatures, penalties) stay as they came. A member of the wrong type fails
//! [`Request::parse`](crate::Request::parse), which names it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// One request for tokens. Its `token_ids` stay with the host
/// ([`Request::token_count`](crate::Request), [`Prompt`](crate::Prompt)).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GenerateRequest {
    /// The model or adapter the client asked for.
    pub model: Option<String>,
    // Dynamo's own worker fails on a null here and in `stop_conditions` where it accepts an absent
    // member. Nobody can mean the difference: both are "nothing said".
    /// How to choose tokens.
    #[serde(deserialize_with = "object")]
    pub sampling_options: SamplingOptions,
    /// When to stop.
    #[serde(deserialize_with = "object")]
    pub stop_conditions: StopConditions,
    /// What to report besides tokens.
    #[serde(deserialize_with = "object")]
    pub output_options: OutputOptions,
    /// Words of the client's `nvext.annotations`.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: Vec<String>,
    /// What the router decided.
    #[serde(deserialize_with = "object")]
    pub routing: Routing,
    /// Images, audio and video by kind. An object; its checking is the worker's.
    pub multi_modal_data: Option<Value>,
    /// Identities of media the worker would have to know from before.
    pub multi_modal_uuids: Option<Value>,
    /// Where a prefill and a decode engine meet. An object; its checking is the worker's.
    pub bootstrap_info: Option<Value>,
    /// The chat messages of a request in text.
    pub messages: Option<Value>,
    /// What the frontend passes on beyond the protocol.
    #[serde(deserialize_with = "object")]
    pub extra_args: ExtraArgs,
    /// NVIDIA's extension of the OpenAI request.
    #[serde(deserialize_with = "object")]
    pub nvext: NvExt,
    /// Whether the chat template made the model think first. Of any type: without a thinking budget
    /// Dynamo reads it as Python does, with one it must be true or false.
    #[serde(deserialize_with = "present")]
    pub require_reasoning: Option<Value>,
    /// Which agent's session the request belongs to.
    #[serde(deserialize_with = "object_or_nothing")]
    pub agent_context: AgentContext,
    /// Keeps cached prompts of different tenants apart.
    pub cache_salt: Option<String>,
    /// A thinking budget in a place where Dynamo does not accept one.
    pub thinking_token_budget: Option<Value>,
    /// Parameters of a logit processor. An object.
    pub custom_params: Option<Value>,
    /// A serialized logit processor.
    pub custom_logit_processor: Option<Value>,
    /// How many choices to generate, in a place where only workers that can do one look.
    pub n: Option<Value>,
    /// Sampling in the engine's words, in a place where only workers that can do one choice look.
    pub sampling_params: Option<Value>,
    /// Whether it is marked as one of Dynamo's own health checks.
    #[serde(rename = "_HEALTH_CHECK", deserialize_with = "is_true")]
    pub is_health_check: bool,
}

impl GenerateRequest {
    /// Whether the model thinks before it answers.
    pub fn requires_reasoning(&self) -> bool {
        self.require_reasoning.as_ref().is_some_and(is_truthy)
    }

    /// The chat messages, wherever they are.
    pub fn messages(&self) -> Option<&Value> {
        let given = |messages: &&Value| is_truthy(messages);
        self.extra_args.messages.as_ref().filter(given).or(self.messages.as_ref())
    }
}

/// How to choose tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SamplingOptions {
    /// How many choices to generate.
    pub n: Option<u32>,
    /// Penalty for tokens that occurred.
    pub presence_penalty: Option<Number>,
    /// Penalty for tokens by how often they occurred.
    pub frequency_penalty: Option<Number>,
    /// Multiplicative penalty for tokens that occurred.
    pub repetition_penalty: Option<Number>,
    /// 0 for the likeliest token.
    pub temperature: Option<Number>,
    /// Probability mass to choose from.
    pub top_p: Option<Number>,
    /// How many of the likeliest tokens to choose from; -1 for all.
    pub top_k: Option<Number>,
    /// Smallest probability, relative to the likeliest token.
    pub min_p: Option<Number>,
    /// 64 bits.
    pub seed: Option<Number>,
    /// The language the answer must belong to. An object.
    pub guided_decoding: Option<Value>,
    /// Parameters of a logit processor. An object.
    pub custom_params: Option<Value>,
}

/// When to stop.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct StopConditions {
    /// At most so many tokens; none for as many as fit.
    pub max_tokens: Option<u32>,
    /// At least so many tokens.
    pub min_tokens: Option<u32>,
    /// Tokens the client asked to stop at. The only ones it may be told it stopped at.
    #[serde(deserialize_with = "null_as_default")]
    pub stop_token_ids: Vec<u32>,
    /// Tokens to stop at that the client need not know of, such as the end of the sequence.
    #[serde(deserialize_with = "null_as_default")]
    pub stop_token_ids_hidden: Vec<u32>,
    /// Whether to go on past the end of the sequence.
    pub ignore_eos: Option<bool>,
    /// At most so many tokens of thinking. Of any type: a wrong one has an answer of its own.
    pub max_thinking_tokens: Option<Value>,
}

/// What to report besides tokens. Of any type: Dynamo reads these leniently.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OutputOptions {
    /// How many alternatives to report for each generated token.
    pub logprobs: Option<Value>,
    /// How many alternatives to report for each token of the prompt.
    pub prompt_logprobs: Option<Value>,
    /// Whether to name tokens by id (`token_id:5`) instead of text.
    pub return_tokens_as_token_ids: Option<bool>,
}

/// What the router decided.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// The data-parallel rank to run on.
    pub dp_rank: Option<u32>,
    /// The data-parallel rank that did the prefill.
    pub prefill_dp_rank: Option<u32>,
    /// Higher is more urgent.
    pub priority: Option<i64>,
    /// Keeps cached prompts of different tenants apart.
    pub cache_salt: Option<String>,
}

/// What the frontend passes on beyond the protocol.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExtraArgs {
    /// A request in SGLang's own words, from the frontend's `/generate`.
    pub sglang_tito: Option<Value>,
    /// NVIDIA's extension, when it did not stay at the top.
    #[serde(deserialize_with = "object")]
    pub nvext: NvExt,
    /// The chat messages, for workers that must see them.
    pub messages: Option<Value>,
    /// Hashes of the media, one list for all.
    pub mm_hashes: Option<Value>,
    /// Hashes of the media under `image`, `video` and `audio`.
    pub mm_hashes_by_modality: Option<Value>,
}

/// NVIDIA's extension of the OpenAI request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NvExt {
    /// Names of members of the answer's `nvext` the client wants. A list.
    pub extra_fields: Option<Value>,
    /// True if the client sent token ids itself, which nobody has checked.
    pub token_in: Option<Value>,
    /// Where to upload what the engine reports about the answer.
    pub metadata_upload: Option<Value>,
    /// Keeps cached prompts of different tenants apart.
    pub cache_salt: Option<String>,
    /// A thinking budget in a place where Dynamo does not accept one.
    pub max_thinking_tokens: Option<Value>,
}

/// Which agent's session a request belongs to. Of any type: what is no string is not there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AgentContext {
    /// The session.
    pub session_id: Option<Value>,
    /// The session it was forked from.
    pub parent_session_id: Option<Value>,
}

/// True as Python understands it: neither null, nor zero, nor empty.
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn is_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Value::deserialize(deserializer).map(|value| is_truthy(&value))
}

/// Null is something else than nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads an object, or null as its default, for serde's `deserialize_with`: serde by itself would also
/// take a list, for the members in their order.
///
/// # Errors
/// For anything else, and what `T` does not take.
pub fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(members))
        }
    }

    deserializer.deserialize_any(Members(PhantomData))
}

/// An object; anything else says nothing.
fn object_or_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_object() {
        serde_json::from_value(value).unwrap_or_default()
    } else {
        T::default()
    })
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn null_and_absent_are_the_same() {
        let request: GenerateRequest = serde_json::from_value(json!({
            "sampling_options": null, "stop_conditions": null, "routing": null, "annotations": null,
        }))
        .unwrap();
        assert!(request.sampling_options.n.is_none());
        assert!(request.stop_conditions.stop_token_ids.is_empty());
    }

    #[test]
    fn a_list_is_no_object() {
        for request in [
            json!({"sampling_options": [1]}),
            json!({"stop_conditions": "x"}),
            json!({"extra_args": {"nvext": []}}),
        ] {
            let error = serde_json::from_value::<GenerateRequest>(request).unwrap_err();
            assert!(error.to_string().contains("expected an object"), "{error}");
        }
        let session: GenerateRequest =
            serde_json::from_value(json!({"agent_context": "x"})).unwrap();
        assert!(session.agent_context.session_id.is_none());
    }

    #[test]
    fn reasoning_is_required_as_python_reads_it() {
        for (value, required) in [(json!("x"), true), (json!(1), true), (json!(null), false)] {
            let request: GenerateRequest =
                serde_json::from_value(json!({"require_reasoning": value})).unwrap();
            assert_eq!(request.requires_reasoning(), required);
        }
    }

    #[test]
    fn a_seed_keeps_all_its_bits() {
        let request: GenerateRequest =
            serde_json::from_str(r#"{"sampling_options": {"seed": 9007199254740993}}"#).unwrap();
        let seed = request.sampling_options.seed.unwrap();
        assert_eq!(serde_json::to_string(&seed).unwrap(), "9007199254740993");
    }
}
