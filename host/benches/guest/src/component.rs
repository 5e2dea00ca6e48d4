//! The component's exports: the conversion between what comes in and what goes out.
#![allow(missing_docs, unsafe_code, reason = "generated bindings")]
#![expect(clippy::unwrap_used, reason = "the bench sends what parses, and a trap would end it")]

use crate::conversion::{
    Alternative, Chunk, Event, Finish, Logprob, MetaInfo, chunk_to_msgpack, event_from_json,
};
use exports::bench::chunks::converters as wit;

wit_bindgen::generate!({ path: "wit", world: "chunks" });

struct Converters;

export!(Converters);

impl wit::Guest for Converters {
    fn json_to_msgpack(events: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        convert(&events, |chunk| chunk_to_msgpack(&chunk).unwrap())
    }

    fn json_to_json(events: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        convert(&events, |chunk| serde_json::to_vec(&chunk).unwrap())
    }

    fn json_to_record(events: Vec<Vec<u8>>) -> Vec<wit::Chunk> {
        convert(&events, wit::Chunk::from)
    }

    fn record_to_msgpack(events: Vec<wit::Event>) -> Vec<Vec<u8>> {
        let chunk = |event| chunk_to_msgpack(&Event::from(event).into()).unwrap();
        events.into_iter().map(chunk).collect()
    }

    fn record_to_record(events: Vec<wit::Event>) -> Vec<wit::Chunk> {
        events.into_iter().map(|event| Chunk::from(Event::from(event)).into()).collect()
    }
}

fn convert<T>(events: &[Vec<u8>], out: impl Fn(Chunk) -> T) -> Vec<T> {
    events.iter().map(|event| out(event_from_json(event).unwrap().into())).collect()
}

impl From<wit::Event> for Event {
    fn from(event: wit::Event) -> Self {
        Event {
            index: event.index,
            output_ids: event.token_ids,
            meta_info: MetaInfo {
                finish_reason: event.finish.map(|kind| Finish { kind }),
                prompt_tokens: event.prompt_tokens,
                completion_tokens: event.completion_tokens,
                cached_tokens: event.cached_tokens,
                output_token_logprobs: event.logprobs.map(logprobs),
                output_top_logprobs: event
                    .top_logprobs
                    .map(|positions| positions.into_iter().map(logprobs).collect()),
            },
        }
    }
}

fn logprobs(entries: Vec<wit::Logprob>) -> Vec<Logprob> {
    entries.into_iter().map(|entry| Logprob(entry.value, entry.token_id, entry.text)).collect()
}

impl From<Chunk> for wit::Chunk {
    fn from(chunk: Chunk) -> Self {
        let usage = chunk.completion_usage;
        wit::Chunk {
            index: chunk.index,
            token_ids: chunk.token_ids,
            finish: chunk.finish_reason,
            logprobs: chunk.log_probs,
            top_logprobs: chunk
                .top_logprobs
                .map(|positions| positions.into_iter().map(alternatives).collect()),
            usage: wit::Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
                total_tokens: usage.total_tokens,
                cached_tokens: usage.prompt_tokens_details.cached_tokens,
            },
        }
    }
}

fn alternatives(entries: Vec<Alternative>) -> Vec<wit::Alternative> {
    entries
        .into_iter()
        .map(|Alternative { rank, token_id, token, logprob }| wit::Alternative {
            rank,
            token_id,
            token,
            logprob,
        })
        .collect()
}
