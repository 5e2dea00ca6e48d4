//! Each stage as one call.

use std::future::pending;

use bytes::Bytes;
use dynamo_host_engine::events::{Events, Framing};
use dynamo_host_kv::Decoder;
use dynamo_host_plane::chunk_frame;
use dynamo_host_request::{Codec, Incoming, Payload, Worker, splice};

use crate::replay::Replay;

/// What cuts an answer into events, of any length there is.
pub(crate) fn cut() -> Events {
    Events::new(Framing::Sse, 1 << 20)
}

/// Cuts an answer into events; how many.
pub fn scan(frames: &[Bytes]) -> usize {
    let mut events = cut();
    let mut count = 0;
    for frame in frames {
        events.feed(frame.clone());
        while events.take().unwrap().is_some() {
            count += 1;
        }
    }
    count
}

/// Takes the token ids out of a request.
pub fn take_apart(payload: &[u8]) -> Payload {
    Payload::read(payload, Codec::Msgpack).unwrap()
}

/// Writes the token ids into the call that a plugin has planned.
pub fn splice_ids(body: &[u8], ids: &[u32]) -> Bytes {
    splice::token_ids(body, "input_ids", ids).unwrap()
}

/// Frames a chunk for Dynamo's request plane.
pub fn frame(chunk: &[u8]) -> Bytes {
    chunk_frame(dynamo_host_plane::Codec::Msgpack, false, chunk).unwrap()
}

/// Decodes a batch of KV events; how many changes.
pub fn decode_kv(decoder: &mut Decoder, batch: &[u8]) -> usize {
    decoder.decode(batch).unwrap().changes.len()
}

/// A whole request, from its payload to the frames of its answer; how many.
pub async fn answer(worker: &Worker<Replay>, payload: Bytes) -> usize {
    let incoming = Incoming {
        id: "client-chosen".into(),
        payload,
        codec: Codec::Msgpack,
        trace_headers: Vec::new(),
        probe: false,
        cancelled: Box::pin(pending()),
    };
    let mut response = worker.respond(incoming).await.unwrap();
    let mut count = 0;
    while let Some(chunk) = response.next().await {
        std::hint::black_box(frame(&chunk.unwrap()));
        count += 1;
    }
    count
}
