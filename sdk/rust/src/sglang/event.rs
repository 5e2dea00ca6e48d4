//! One event of SGLang's `/generate` stream.
//!
//! Parsed once per token: what only a last chunk needs stays unread until there is one, and lies in a
//! box, so that it is not moved with every other.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::{FinishReason, GenerateRequest};

/// One event.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    /// Set when the request failed; nothing else is, then.
    #[serde(default)]
    pub error: Option<Box<ErrorEvent>>,
    /// Which choice.
    #[serde(default)]
    pub index: Option<u32>,
    /// The new token ids (the engine streams incrementally).
    #[serde(default)]
    pub output_ids: Option<Vec<u32>>,
    /// Everything else.
    #[serde(borrow, default)]
    pub meta_info: Option<MetaInfo<'a>>,
    /// The new text, as JSON, from an engine with a tokenizer.
    #[serde(borrow, default)]
    pub text: Option<&'a RawValue>,
    /// What the engine reports beyond SGLang's protocol.
    #[serde(borrow, default)]
    pub engine_data: Option<&'a RawValue>,
}

/// What one event adds to a choice.
#[derive(Debug)]
pub struct Delta<'a> {
    /// Which choice.
    pub index: u32,
    /// The new token ids.
    pub token_ids: Vec<u32>,
    /// The new text, as JSON.
    pub text: Option<&'a RawValue>,
    /// Set once the choice has ended.
    pub finish: Option<Box<Finish>>,
    /// Everything else.
    pub meta: MetaInfo<'a>,
    /// What the engine reports beyond SGLang's protocol.
    pub engine_data: Option<&'a RawValue>,
}

/// A failure inside a stream that had begun with 200.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorEvent {
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub code: Value,
}

/// `meta_info`.
#[derive(Debug, Deserialize)]
pub struct MetaInfo<'a> {
    /// None if the member is missing, which SGLang's protocol does not allow; `Some(None)` while
    /// the choice goes on.
    #[serde(default, deserialize_with = "present")]
    pub finish_reason: Option<Option<Box<Finish>>>,
    /// Tokens of the prompt.
    #[serde(default)]
    pub prompt_tokens: Option<u64>,
    /// Tokens generated so far.
    #[serde(default)]
    pub completion_tokens: Option<u64>,
    /// Tokens of the prompt that were in the engine's cache.
    #[serde(default)]
    pub cached_tokens: Option<u64>,
    /// Log probabilities of the new tokens.
    #[serde(default)]
    pub output_token_logprobs: Option<Vec<Logprob>>,
    /// The alternatives at the new tokens.
    #[serde(default)]
    pub output_top_logprobs: Option<Vec<Option<Vec<Logprob>>>>,
    /// Log probabilities of the prompt's tokens, as JSON.
    #[serde(borrow, default)]
    pub input_token_logprobs: Option<&'a RawValue>,
    /// The alternatives at the prompt's tokens, as JSON.
    #[serde(borrow, default)]
    pub input_top_logprobs: Option<&'a RawValue>,
    /// Which experts worked on the tokens, as JSON.
    #[serde(borrow, default)]
    pub routed_experts: Option<&'a RawValue>,
}

/// Why a choice ended.
#[derive(Debug, Deserialize)]
pub struct Finish {
    /// `length`, `stop`, `abort` or another word.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people, of an abort.
    #[serde(default)]
    pub message: Option<String>,
    /// The HTTP status an abort stands for.
    #[serde(default)]
    pub status_code: Value,
    /// The kind of error an abort stands for.
    #[serde(default)]
    pub err_type: Value,
    /// The stop string or token.
    #[serde(default)]
    pub matched: Value,
}

impl Finish {
    /// Whether the choice ended before its time.
    pub fn is_abort(&self) -> bool {
        self.kind.starts_with("abort")
    }

    /// The reason as the frontend knows it.
    pub fn reason(&self) -> FinishReason {
        if self.is_abort() { FinishReason::Cancelled } else { FinishReason::from_word(&self.kind) }
    }

    /// Whether the engine gave up by itself, as opposed to being told to.
    pub fn is_failure(&self) -> bool {
        self.kind == "abort" && !(self.status_code.is_null() && self.err_type.is_null())
    }
}

/// What a client may know of what the engine stopped at.
#[derive(Clone, Debug)]
pub enum VisibleStops {
    /// Stop strings, and these stop tokens.
    Tokens(Vec<u32>),
    /// Whatever it was.
    All,
}

impl VisibleStops {
    /// Of tokens, only those the client asked for itself: others are none of its business.
    pub fn asked_for(request: &mut GenerateRequest) -> Self {
        VisibleStops::Tokens(std::mem::take(&mut request.stop_conditions.stop_token_ids))
    }

    /// What the engine stopped at, as far as the client may know.
    pub fn reason(&self, finish: &Finish) -> Option<Value> {
        let visible = |id: &Value| match self {
            VisibleStops::Tokens(known) => {
                id.as_u64().is_some_and(|id| known.iter().any(|known| u64::from(*known) == id))
            }
            VisibleStops::All => id.is_u64(),
        };
        let may_know = match &finish.matched {
            Value::String(_) => true,
            Value::Number(_) => visible(&finish.matched),
            Value::Array(ids) => ids.iter().all(visible),
            _ => false,
        };
        may_know.then(|| finish.matched.clone())
    }
}

/// `[logprob, token id, text]`.
#[derive(Debug, Deserialize)]
pub struct Logprob(
    /// None for a token that could not be chosen.
    pub Option<f64>,
    /// The token's id.
    pub u32,
    /// Its text, if the engine said.
    #[serde(default)]
    pub Option<String>,
);

impl Logprob {
    /// The log probability. SGLang's JSON has no infinity: it writes null for a token that could not be chosen.
    pub fn value(&self) -> f64 {
        self.0.unwrap_or(f64::NEG_INFINITY)
    }
}

/// How much of a prompt the engine had in its cache, as routers read it.
pub fn cache_hit(prompt_tokens: u64, cached_tokens: Option<u64>) -> Value {
    json!({"prompt_tokens": prompt_tokens, "reused_tokens": cached_tokens.unwrap_or(0)})
}

fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
