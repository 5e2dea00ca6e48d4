//! Real events, and requests as the frontend sends them.

use bytes::Bytes;
use serde_json::{Value, json};

/// One event of SGLang's `/generate` stream (see the README), to be sent in batches.
pub struct Sample {
    /// How the tables call it.
    pub name: &'static str,
    json: &'static str,
}

/// One token, less what no conversion reads.
pub const LEAN: Sample = Sample { name: "lean", json: include_str!("../data/lean.json") };
/// One token.
pub const TOKEN: Sample = Sample { name: "token", json: include_str!("../data/token.json") };
/// Two tokens, each with its 20 likeliest alternatives.
pub const TOP_LOGPROBS: Sample =
    Sample { name: "top_logprobs", json: include_str!("../data/top_logprobs.json") };

/// The events that are measured.
pub const SAMPLES: [Sample; 3] = [LEAN, TOKEN, TOP_LOGPROBS];

/// How many events cross in one call.
pub const BATCHES: [usize; 2] = [1, 16];

impl Sample {
    /// The event `batch` times, as the host would have cut it from the stream.
    pub fn batch(&self, batch: usize) -> Vec<Vec<u8>> {
        vec![self.event().to_vec(); batch]
    }

    /// An answer of the event `count` times, the last of them its end: server-sent events in frames of
    /// `per_frame` of them.
    pub fn frames(&self, count: usize, per_frame: usize) -> Vec<Bytes> {
        let mut end: Value = serde_json::from_slice(self.event()).unwrap();
        end["meta_info"]["finish_reason"] = json!({"type": "length", "length": 1});
        let end = end.to_string();
        let event = |index| if index + 1 == count { end.as_bytes() } else { self.event() };
        let indices: Vec<usize> = (0..count).collect();
        let frame = |indices: &[usize]| {
            let sent = indices.iter().map(|index| [b"data: ", event(*index), b"\n\n"].concat());
            sent.flatten().collect()
        };
        indices.chunks(per_frame).map(frame).collect()
    }

    fn event(&self) -> &[u8] {
        self.json.trim_end().as_bytes()
    }
}

/// A request of `prompt` tokens, in MessagePack.
pub fn payload(prompt: u32) -> Bytes {
    let request = json!({
        "model": "bench", "token_ids": (1..=prompt).collect::<Vec<u32>>(),
        "stop_conditions": {"max_tokens": 512, "stop_token_ids": [2]},
        "sampling_options": {"temperature": 0.7, "top_p": 0.9},
        "output_options": {"logprobs": 20}, "eos_token_ids": [2], "annotations": [],
    });
    rmp_serde::to_vec_named(&request).unwrap().into()
}

/// Tokens in one block of the KV cache.
pub const BLOCK_SIZE: u32 = 16;

/// What an engine publishes when it has stored `blocks` blocks of a prompt, the `number`th.
pub fn kv_batch(number: u64, blocks: u32) -> Vec<u8> {
    let hashes: Vec<u64> = (0..u64::from(blocks)).map(|block| number << 32 | block).collect();
    let tokens: Vec<u32> = (0..BLOCK_SIZE * blocks).map(|token| token * 31 % 150_000).collect();
    let event = json!({
        "type": "BlockStored", "block_hashes": hashes, "parent_block_hash": null,
        "token_ids": tokens, "block_size": BLOCK_SIZE, "lora_id": null, "medium": "GPU",
    });
    rmp_serde::to_vec(&json!([0.0, [event], 0])).unwrap()
}
