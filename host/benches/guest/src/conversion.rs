//! SGLang's event to Dynamo's chunk: the same code in the guest and, where a representation leaves
//! a part of it to the host, there. Reads and writes as the SDK does, without its state.

use serde::{Deserialize, Serialize};

/// What the conversion reads of an event.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Which choice.
    #[serde(default)]
    pub index: u32,
    /// The new token ids.
    pub output_ids: Vec<u32>,
    /// Everything else.
    pub meta_info: MetaInfo,
}

/// An event's `meta_info`.
#[derive(Debug, Deserialize)]
pub struct MetaInfo {
    /// Set on the last event.
    pub finish_reason: Option<Finish>,
    /// Length of the prompt.
    pub prompt_tokens: u64,
    /// Tokens generated so far.
    pub completion_tokens: u64,
    /// Tokens of the prompt found in the cache.
    pub cached_tokens: u64,
    /// One per token id.
    #[serde(default)]
    pub output_token_logprobs: Option<Vec<Logprob>>,
    /// The alternatives at each token id.
    #[serde(default)]
    pub output_top_logprobs: Option<Vec<Vec<Logprob>>>,
}

/// Why a choice ended.
#[derive(Debug, Deserialize)]
pub struct Finish {
    /// `length`, `stop`, ...
    #[serde(rename = "type")]
    pub kind: String,
}

/// `[logprob, token id, text]`.
#[derive(Debug, Deserialize)]
pub struct Logprob(pub Option<f64>, pub u32, pub Option<String>);

impl Logprob {
    fn value(&self) -> f64 {
        self.0.unwrap_or(f64::NEG_INFINITY)
    }
}

/// A response chunk.
#[derive(Debug, Serialize)]
pub struct Chunk {
    /// Which choice.
    pub index: u32,
    /// The new token ids.
    pub token_ids: Vec<u32>,
    /// Set on the last chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// One per token id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_probs: Option<Vec<f64>>,
    /// The alternatives at each token id, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<Vec<Vec<Alternative>>>,
    /// Token counts so far.
    pub completion_usage: Usage,
}

/// One alternative at one position.
#[derive(Debug, Serialize)]
pub struct Alternative {
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
#[derive(Debug, Serialize)]
pub struct Usage {
    /// In the prompt.
    pub prompt_tokens: u64,
    /// Generated so far.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Where the prompt's tokens came from.
    pub prompt_tokens_details: PromptTokensDetails,
}

/// Where the prompt's tokens came from.
#[derive(Debug, Serialize)]
pub struct PromptTokensDetails {
    /// From the KV cache.
    pub cached_tokens: u64,
}

impl From<Event> for Chunk {
    fn from(event: Event) -> Self {
        let Event { index, output_ids, meta_info: meta } = event;
        Chunk {
            index,
            token_ids: output_ids,
            finish_reason: meta.finish_reason.map(|finish| finish.kind),
            log_probs: meta
                .output_token_logprobs
                .map(|logprobs| logprobs.iter().map(Logprob::value).collect()),
            top_logprobs: meta
                .output_top_logprobs
                .map(|positions| positions.into_iter().map(alternatives).collect()),
            completion_usage: Usage {
                prompt_tokens: meta.prompt_tokens,
                completion_tokens: meta.completion_tokens,
                total_tokens: meta.prompt_tokens.saturating_add(meta.completion_tokens),
                prompt_tokens_details: PromptTokensDetails { cached_tokens: meta.cached_tokens },
            },
        }
    }
}

fn alternatives(entries: Vec<Logprob>) -> Vec<Alternative> {
    (1..)
        .zip(entries)
        .map(|(rank, entry)| Alternative {
            rank,
            token_id: entry.1,
            logprob: entry.value(),
            token: entry.2,
        })
        .collect()
}

/// Parses an event.
///
/// # Errors
/// What is wrong with the JSON.
pub fn event_from_json(json: &[u8]) -> Result<Event, serde_json::Error> {
    serde_json::from_slice(json)
}

/// Encodes a chunk as it goes onto Dynamo's request plane.
///
/// # Errors
/// None that this type can cause.
pub fn chunk_to_msgpack(chunk: &Chunk) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = Vec::with_capacity(192);
    chunk.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
    Ok(bytes)
}
