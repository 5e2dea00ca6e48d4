//! What becomes of the engine's stream: tokens, or text.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::TokenConverter;
use dynamo_worker_sdk::sglang::text::TextConverter;

/// Turns the engine's stream into chunks.
#[derive(Debug)]
pub enum Answer {
    /// For the frontend to detokenize.
    Tokens(TokenConverter),
    /// For the client itself.
    Text(TextConverter),
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match self {
            Answer::Tokens(tokens) => tokens.event(event, chunks),
            Answer::Text(text) => text.event(event, chunks),
        }
    }

    fn engine_is_done(&self) -> bool {
        match self {
            Answer::Tokens(tokens) => tokens.engine_is_done(),
            Answer::Text(text) => text.engine_is_done(),
        }
    }

    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        match self {
            Answer::Tokens(tokens) => tokens.finish(chunks),
            Answer::Text(text) => text.finish(chunks),
        }
    }
}
