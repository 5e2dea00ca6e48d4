//! What the workers share that answer multimodal requests together: the encode worker, the worker
//! behind it and, where prefill is another engine's work, the prefill worker.
//!
//! The frontend, or a processor, asks the encode worker. That asks the worker with a
//! [`MultimodalRequest`], and hands on its [`frames`]. A worker whose engine only decodes first asks
//! the prefill worker, with a [`PrefillRequest`], where the two engines meet.
//!
//! In Dynamo's workers the encode worker has the embeddings and hands them over in memory. A stock
//! SGLang server takes none from anybody but an encoder of its own: started with `--language-only`, it
//! asks a server started with `--encoder-only` for them, and expands the prompt itself. So what goes
//! from worker to worker here are URLs and the prompt as it was, and embeddings go from engine to
//! engine. `tests/cases/MULTIMODAL.md` has the mapping.

mod attach;
mod call;
mod frames;
mod request;
mod sampling;

pub use attach::Attachments;
pub use call::generate;
pub use frames::{Fault, Frames, error_frame};
pub use request::{
    Group, MultimodalInput, MultimodalRequest, Options, PrefillRequest, Preprocessed, Stops, read,
};
pub use sampling::{generate_request, hold_to_budget, sampling_params};

use super::Settings;

/// A worker that others of its namespace ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Takes requests with media.
    Encode,
    /// Generates.
    Worker,
    /// Computes prompts for it.
    Prefill,
}

impl Peer {
    /// The endpoint at which it is found (Dynamo's `args.py`).
    pub fn endpoint(self, settings: &Settings) -> String {
        let component = match self {
            Peer::Encode => "encode",
            Peer::Worker => "backend",
            Peer::Prefill => "prefill",
        };
        let namespace = settings.namespace.as_deref().unwrap_or("dynamo");
        format!("{namespace}.{component}.generate")
    }
}

#[cfg(test)]
mod tests;
