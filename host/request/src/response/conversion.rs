//! What the converter makes of what came.

use std::sync::atomic::Ordering;

use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{Output, Session};

use super::{Response, Stage, Stopped};
use crate::exchange::{self, Exchange, Reply};
use crate::medium::{aside, with_media};
use crate::spans::CallSpan;

/// Longest body read of an answer that is not 2xx: an error message.
const MAX_REJECTION: usize = 1 << 20;

/// Longest event copied to where an earlier one was, in bytes. A longer one is most often a whole
/// body, whose bytes nobody else has: it moves.
const LARGE_EVENT: usize = 64 << 10;

/// Whether a failure of this kind is the plugin's own, where no engine and no client has a part in it.
pub fn is_plugins(kind: Kind) -> bool {
    matches!(kind, Kind::Internal | Kind::DeadlineExceeded | Kind::BackendProtocol)
}

impl<E: Exchange> Response<E> {
    pub(super) async fn convert(&mut self) -> Result<(), Stopped> {
        let mut events = std::mem::take(&mut self.events);
        let batch = self.arrived.len();
        if events.len() < batch {
            events.resize_with(batch, Vec::new);
        }
        for (place, event) in events.iter_mut().zip(self.arrived.drain(..)) {
            if event.len() > LARGE_EVENT {
                *place = event.into();
            } else {
                place.clear();
                place.extend_from_slice(&event);
            }
        }
        let converted = self.converse(async |session| session.push(&events[..batch]).await).await;
        self.events = events;
        converted
    }

    /// Asks the converter and takes what it says. It may wait for another worker meanwhile: not for
    /// a client that leaves.
    pub(super) async fn converse(
        &mut self,
        ask: impl AsyncFnOnce(&mut Session) -> Result<Output, Failure>,
    ) -> Result<(), Stopped> {
        let session =
            self.session.as_mut().ok_or_else(|| Failure::internal("the response is over"))?;
        let output = tokio::select! {
            biased;
            answered = ask(session) => answered,
            () = &mut self.cancelled => return Err(Stopped::Left),
        };
        let output = output.inspect_err(|failure| self.blamed = is_plugins(failure.kind))?;
        Ok(self.take(output).await?)
    }

    /// Takes what the converter made of a batch.
    async fn take(&mut self, output: Output) -> Result<(), Failure> {
        let Output { mut chunks, inlays, next, end } = output;
        if !inlays.is_empty() {
            // In a box, as it is not done for tokens.
            chunks = Box::pin(aside(move || with_media(chunks, inlays))).await?;
        }
        self.chunks.extend(chunks);
        if let Some(end) = end {
            if end.engine_done {
                self.abort = None;
            }
            match end.failure {
                Some(failure) => {
                    let failure = Failure::from(failure);
                    self.blamed = is_plugins(failure.kind);
                    self.fail(self.broken_off(failure));
                }
                None => self.end_early(),
            }
        } else if let Some(step) = next {
            self.abort = None;
            self.span = CallSpan::default();
            self.stage = Stage::Next(step);
        }
        if matches!(self.stage, Stage::Over) {
            self.slot = None;
        }
        Ok(())
    }

    /// What the plugin makes of a status that is not 2xx.
    pub(super) async fn rejected(&mut self, status: u16, reply: E::Reply) -> Result<(), Failure> {
        self.abort = None;
        let body = reply.whole(MAX_REJECTION).await.map_err(|error| exchange::failure(&error))?;
        let answered = self.session()?.rejected(status, &body.into()).await;
        let mut output = answered.inspect_err(|failure| self.blamed = is_plugins(failure.kind))?;
        // A refusal is no answer that broke off, also while the worker goes away.
        let failure = output.end.as_mut().and_then(|end| end.failure.take());
        self.take(output).await?;
        self.failure = failure.map(Failure::from);
        Ok(())
    }

    /// What a response that broke off in the middle failed with: while the worker goes away, that it
    /// goes away, whatever its engine says.
    fn broken_off(&self, failure: Failure) -> Failure {
        if !self.leaving.load(Ordering::Relaxed) {
            return failure;
        }
        Failure::unavailable(format!("the worker is shutting down: {}", failure.message))
    }
}
