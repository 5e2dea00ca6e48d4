//! What can be said about an engine.

use std::sync::Arc;

use crate::process::StartError;

/// Whether the engine can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not ready yet.
    Starting,
    /// It can generate.
    Ready {
        /// Counts from 1 how often it became ready. A later one has lost what an earlier one had
        /// in memory: adapters, caches, requests.
        generation: u64,
    },
    /// It was ready and is not any more. It is being brought back.
    Down {
        /// The reason, for a message.
        why: Arc<str>,
    },
    /// It did not come up, and will not be tried again.
    Failed(Arc<StartError>),
    /// It was stopped by [`Engine::shutdown`](crate::Engine::shutdown).
    Stopped,
}

impl State {
    /// Why an engine in this state is of no use.
    pub(super) fn why_down(&self) -> Arc<str> {
        match self {
            State::Starting => "the engine is starting".into(),
            State::Ready { .. } => "the engine was restarted".into(),
            State::Down { why } => why.clone(),
            State::Failed(error) => error.to_string().into(),
            State::Stopped => "the engine was stopped".into(),
        }
    }
}
