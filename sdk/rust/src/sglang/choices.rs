//! How far the choices of one answer have come.

use std::collections::BTreeSet;

use super::errors::engine_failure;
use super::event::{Delta, Event};
use crate::{Error, Flow, Kind, Result, parse_event};

/// The last event of every stream SGLang ends by itself.
pub const DONE: &[u8] = b"[DONE]";

/// The choices of one `/generate` stream.
#[derive(Debug)]
pub struct Choices {
    expected: u32,
    finished: BTreeSet<u32>,
    /// Those that have begun and not ended.
    open: BTreeSet<u32>,
    /// The stream has ended by its own account, and left none open.
    ended: bool,
}

impl Choices {
    /// For a request for `n` choices; one if it does not say.
    pub fn new(n: Option<u32>) -> Self {
        Choices {
            expected: n.unwrap_or(1).max(1),
            finished: BTreeSet::new(),
            open: BTreeSet::new(),
            ended: false,
        }
    }

    /// How many were asked for.
    pub fn expected(&self) -> u32 {
        self.expected
    }

    /// Reads the next event. None at the end of the stream: go on as [`flow`](Choices::flow) says.
    ///
    /// # Errors
    /// What the engine reports: a failed stream, or a choice it gave up by itself.
    /// [`Kind::Internal`](crate::Kind) for an event without what SGLang's protocol wants in it.
    pub fn read<'a>(&mut self, event: &'a [u8]) -> Result<Option<Delta<'a>>> {
        if event == DONE {
            self.end();
            return Ok(None);
        }
        let event: Event = parse_event(event)?;
        if let Some(error) = event.error {
            return Err(engine_failure(&error.code, &error.message));
        }
        let Some(mut meta) = event.meta_info else {
            return Err(Error::internal("the engine sent a chunk without meta_info"));
        };
        let Some(finish) = meta.finish_reason.take() else {
            return Err(Error::internal("the engine sent a chunk without meta_info.finish_reason"));
        };
        let index = event.index.unwrap_or(0);
        match finish {
            None => self.begin(index),
            // Also if it failed: the engine has given it up, and there is nothing left to abort.
            Some(_) => self.finish(index),
        }
        if let Some(failure) = finish.as_ref().filter(|finish| finish.is_failure()) {
            let message = failure.message.as_deref().unwrap_or_default();
            return Err(engine_failure(&failure.status_code, message));
        }
        Ok(Some(Delta {
            index,
            token_ids: event.output_ids.unwrap_or_default(),
            text: event.text,
            finish,
            meta,
            engine_data: event.engine_data,
        }))
    }

    /// Notes that a choice has begun, if it has not ended.
    pub fn begin(&mut self, index: u32) {
        if !self.finished.contains(&index) {
            self.open.insert(index);
        }
    }

    /// Notes that a choice has ended.
    pub fn finish(&mut self, index: u32) {
        self.open.remove(&index);
        self.finished.insert(index);
    }

    /// Notes that the stream has ended by its own account.
    pub fn end(&mut self) {
        self.ended = self.open.is_empty();
    }

    /// Whether all have ended, or the engine has nothing more to say and left none open.
    pub fn are_complete(&self) -> bool {
        self.ended || self.finished.len() >= self.expected as usize
    }

    /// Whether to go on. With nothing open the stream is left to end by itself, so that its
    /// connection can be used again. With something open at its end the engine will not go on:
    /// `Done` has it told to drop what it may still hold.
    pub fn flow(&self) -> Flow {
        if self.are_complete() { Flow::Continue } else { Flow::Done }
    }

    /// Whether the stream may end here.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] with choices open: the frontend may take what has come so far to
    /// another worker and go on there.
    pub fn check_end(&self) -> Result<()> {
        if self.are_complete() {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "the engine closed its answer before it was complete"))
    }
}
