//! What becomes of the engine's stream, by the form the client asked in.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::TokenConverter;
use dynamo_worker_sdk::sglang::native::NativeConverter;
use dynamo_worker_sdk::sglang::text::TextConverter;

/// Turns the engine's stream into chunks.
#[derive(Debug)]
pub enum Answer {
    /// Of token ids, for the frontend to detokenize.
    Tokens(TokenConverter),
    /// Of the engine's own answers.
    Native(NativeConverter),
    /// Of text, for the client itself.
    Text(TextConverter),
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match self {
            Answer::Tokens(answer) => answer.event(event, chunks),
            Answer::Native(answer) => answer.event(event, chunks),
            Answer::Text(answer) => answer.event(event, chunks),
        }
    }

    fn engine_is_done(&self) -> bool {
        match self {
            Answer::Tokens(answer) => answer.engine_is_done(),
            Answer::Native(answer) => answer.engine_is_done(),
            Answer::Text(answer) => answer.engine_is_done(),
        }
    }

    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        match self {
            Answer::Tokens(answer) => answer.finish(chunks),
            Answer::Native(answer) => answer.finish(chunks),
            Answer::Text(answer) => answer.finish(chunks),
        }
    }
}
