//! What becomes of the worker's frames.

use dynamo_worker_sdk::prelude::*;

/// The answer to one request.
#[derive(Debug)]
pub enum Answer {
    /// The worker's frames, as the frontend's chunks.
    Relay,
    /// The engine's word on its health, which is no more than a status.
    Health,
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if let Answer::Relay = self {
            chunks.send(&chunk_of(parse_chunk(event)?))?;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        match self {
            Answer::Relay => Ok(()),
            Answer::Health => chunks.send(&json!({"healthy": true})),
        }
    }
}

/// A frame without what only workers tell each other. One that is no JSON is text.
fn chunk_of(frame: Json) -> Json {
    let mut chunk = match frame {
        Json::String(text) => {
            serde_json::from_str(&text).unwrap_or_else(|_| json!({"token_ids": [], "text": text}))
        }
        other => other,
    };
    if let Some(members) = chunk.as_object_mut() {
        members.shift_remove("finished");
        if members.get("text").is_some_and(|text| text == "") {
            members.shift_remove("text");
        }
    }
    chunk
}
