//! What becomes of the encode worker's chunks.

use std::borrow::Cow;
use std::collections::BTreeSet;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::FinishReason;
use dynamo_worker_sdk::sglang::text::ChatWriter;
use serde_json::Map;

/// Turns token chunks with text into chunks of OpenAI's chat protocol.
#[derive(Debug)]
pub struct Answer {
    writer: ChatWriter,
    choices: usize,
    finished: BTreeSet<u32>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Answer {
    /// For a request for `n` choices.
    pub(crate) fn new(writer: ChatWriter, n: Option<u32>) -> Self {
        Answer { writer, choices: n.unwrap_or(1).max(1) as usize, finished: BTreeSet::new() }
    }
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let chunk: Chunk = parse_chunk(event)?;
        if chunk.finish_reason.as_deref() == Some("error") {
            let why = chunk.error.as_deref();
            return Err(Error::internal(why.unwrap_or("another worker failed without saying why")));
        }
        let index = chunk.index.unwrap_or(0);
        let text = chunk.text.unwrap_or_default();
        let finish = chunk.finish_reason.as_deref().map(FinishReason::from_word);
        if finish.is_some() {
            self.finished.insert(index);
        } else if text.is_empty() {
            // The engine holds back a character that is not whole yet.
            return Ok(Flow::Continue);
        }
        self.writer.send(chunks, index, Cow::Owned(text), finish, Map::new())?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.finished.len() >= self.choices {
            return Ok(());
        }
        Err(Error::new(
            Kind::Unavailable,
            "the encode worker ended its answer before it was complete",
        ))
    }
}
