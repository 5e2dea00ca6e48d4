//! One event of SGLang's `/generate` stream.
//!
//! Parsed once per token: what only a last chunk needs stays unread until there is one.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// One event.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    /// Set when the request failed; nothing else is, then.
    #[serde(default)]
    pub error: Option<ErrorEvent>,
    /// Which choice.
    #[serde(default)]
    pub index: Option<u32>,
    /// The new token ids (the engine streams incrementally).
    #[serde(default)]
    pub output_ids: Option<Vec<u32>>,
    /// Everything else.
    #[serde(borrow, default)]
    pub meta_info: Option<MetaInfo<'a>>,
    /// What the engine reports beyond SGLang's protocol.
    #[serde(borrow, default)]
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
pub(super) struct MetaInfo<'a> {
    /// None if the member is missing, which SGLang's protocol does not allow; `Some(None)` while
    /// the choice goes on.
    #[serde(default, deserialize_with = "present")]
    pub finish_reason: Option<Option<Finish>>,
    #[serde(default)]
    pub prompt_tokens: Option<u64>,
    #[serde(default)]
    pub completion_tokens: Option<u64>,
    #[serde(default)]
    pub cached_tokens: Option<u64>,
    #[serde(default)]
    pub output_token_logprobs: Option<Vec<Logprob>>,
    #[serde(default)]
    pub output_top_logprobs: Option<Vec<Option<Vec<Logprob>>>>,
    #[serde(borrow, default)]
    pub input_token_logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub input_top_logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub routed_experts: Option<&'a RawValue>,
}

/// Why a choice ended.
#[derive(Debug, Deserialize)]
pub(super) struct Finish {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub status_code: Value,
    #[serde(default)]
    pub err_type: Value,
    #[serde(default)]
    pub matched: Value,
}

impl Finish {
    pub fn is_abort(&self) -> bool {
        self.kind.starts_with("abort")
    }

    /// Whether the engine gave up by itself, as opposed to being told to.
    pub fn is_failure(&self) -> bool {
        self.kind == "abort" && !(self.status_code.is_null() && self.err_type.is_null())
    }
}

/// `[logprob, token id, text]`.
#[derive(Debug, Deserialize)]
pub(super) struct Logprob(pub Option<f64>, pub u32, #[serde(default)] pub Option<String>);

impl Logprob {
    /// SGLang's JSON has no infinity: it writes null for a token that could not be chosen.
    pub fn value(&self) -> f64 {
        self.0.unwrap_or(f64::NEG_INFINITY)
    }
}

fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
