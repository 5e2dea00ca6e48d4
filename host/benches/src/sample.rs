//! Real events, and requests as the frontend sends them.

use bytes::Bytes;
use dynamo_host_plugin::{Fresh, Request};
use serde_json::{Value, json};

/// One event of SGLang's `/generate` stream (see the README), to be sent in batches.
pub struct Sample {
    /// How the tables call it.
    pub name: &'static str,
    /// Tokens in it.
    pub tokens: u32,
    json: &'static str,
}

/// One token, less what no conversion reads.
pub const LEAN: Sample =
    Sample { name: "lean", tokens: 1, json: include_str!("../data/lean.json") };
/// One token.
pub const TOKEN: Sample =
    Sample { name: "token", tokens: 1, json: include_str!("../data/token.json") };
/// Two tokens, each with its 20 likeliest alternatives.
pub const TOP_LOGPROBS: Sample =
    Sample { name: "top_logprobs", tokens: 2, json: include_str!("../data/top_logprobs.json") };

/// The events that are measured.
pub const SAMPLES: [Sample; 3] = [LEAN, TOKEN, TOP_LOGPROBS];

/// How many events cross in one call.
pub const BATCHES: [usize; 2] = [1, 16];

impl Sample {
    /// The event `batch` times, as the host would have cut it from the stream.
    pub fn batch(&self, batch: usize) -> Vec<Vec<u8>> {
        vec![self.event().to_vec(); batch]
    }

    /// The event as it is sent.
    pub fn sent(&self) -> Bytes {
        sent(self.event())
    }

    /// The event as the last of an answer.
    pub fn sent_last(&self) -> Bytes {
        let mut last: Value = serde_json::from_slice(self.event()).unwrap();
        last["meta_info"]["finish_reason"] = json!({"type": "length", "length": 1});
        sent(last.to_string().as_bytes())
    }

    /// An answer of the event `count` times, in frames of `per_frame` of them.
    pub fn frames(&self, count: usize, per_frame: usize) -> Vec<Bytes> {
        let mut events = vec![self.sent(); count - 1];
        events.push(self.sent_last());
        events.chunks(per_frame).map(|frame| frame.concat().into()).collect()
    }

    fn event(&self) -> &[u8] {
        self.json.trim_end().as_bytes()
    }
}

fn sent(event: &[u8]) -> Bytes {
    [b"data: ", event, b"\n\n"].concat().into()
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

/// A request as a plugin gets it.
pub fn request(body: &str, token_count: Option<u32>) -> Request {
    Request {
        id: "client-chosen".into(),
        body: body.into(),
        token_count,
        trace_headers: Vec::new(),
        adapters: Vec::new(),
        probe: false,
        fresh: Fresh {
            request_id: "0123456789abcdef0123456789abcdef".into(),
            bootstrap_room: 1 << 60,
            seed: 7,
            unix_millis: 1_700_000_000_000,
        },
    }
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
