//! Chunks: what goes back to the frontend.

use serde::{Serialize, Serializer};
use serde_json::Value;

/// One chunk of a generated answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenChunk {
    /// Which choice the tokens belong to, when a request asks for several.
    pub index: u32,
    /// The new token ids. May be empty on the last chunk of a choice.
    pub token_ids: Vec<u32>,
    /// Set on the last chunk of a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The stop string or token id that ended the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Value>,
    /// One per token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_probs: Option<Vec<f64>>,
    /// The alternatives at each token id, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<Vec<Vec<TopLogprob>>>,
    /// Token counts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_usage: Option<CompletionUsage>,
    /// What the engine reports beyond the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_data: Option<Value>,
}

/// Why a choice ended. The frontend knows `eos`, `length`, `stop`, `cancelled`, `content_filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// At the token limit.
    Length,
    /// At a stop token or string, or at the end of the sequence.
    Stop,
    /// Aborted.
    Cancelled,
    /// Another word of the engine's.
    Other(String),
}

impl FinishReason {
    /// The reason an engine's word stands for.
    pub fn from_word(word: &str) -> Self {
        match word {
            "length" => FinishReason::Length,
            "stop" => FinishReason::Stop,
            "cancelled" => FinishReason::Cancelled,
            other => FinishReason::Other(other.to_owned()),
        }
    }
}

impl Serialize for FinishReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            FinishReason::Length => "length",
            FinishReason::Stop => "stop",
            FinishReason::Cancelled => "cancelled",
            FinishReason::Other(word) => word,
        })
    }
}

/// One alternative at one position.
#[derive(Clone, Debug, Serialize)]
pub struct TopLogprob {
    /// 1 for the likeliest.
    pub rank: u32,
    /// The token's id.
    pub token_id: u32,
    /// Its text, if the engine said.
    pub token: Option<String>,
    /// Its log probability.
    pub logprob: f64,
}

/// Token counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompletionUsage {
    /// In the prompt.
    pub prompt_tokens: u64,
    /// Generated so far.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// What part of the prompt was found in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// Where the prompt's tokens came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromptTokensDetails {
    /// From the KV cache.
    pub cached_tokens: u64,
}
