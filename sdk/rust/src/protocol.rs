//! Dynamo's token protocol: what a worker registered with [`Input::Tokens`](crate::Input) is asked
//! and what it answers.
//!
//! Requests ([`GenerateRequest`]) mirror `PreprocessedRequest`, chunks ([`TokenChunk`])
//! `LLMEngineOutput` of Dynamo 1.6.1 (`protocols/common/preprocessor.rs`, `llm_backend.rs`). Members
//! that are absent from a chunk are not sent: the frontend fills them in.

mod chunk;
mod request;

pub use chunk::{CompletionUsage, FinishReason, PromptTokensDetails, TokenChunk, TopLogprob};
#[cfg(feature = "sglang")]
pub(crate) use request::is_truthy;
pub use request::{
    AgentContext, ExtraArgs, GenerateRequest, NvExt, OutputOptions, Routing, SamplingOptions,
    StopConditions, object,
};
