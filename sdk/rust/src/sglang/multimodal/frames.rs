//! What workers answer each other: frames, which are JSON as text.
//!
//! Mirrors `worker_handler.py` of `dynamo.sglang` 1.6.1: a frame has tokens and text, and no log
//! probabilities, usage or stop reason.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::FinishReason;
use crate::sglang::choices::DONE;
use crate::sglang::errors::engine_failure;
use crate::sglang::event::{ErrorEvent, Event};
use crate::{Chunks, Converter, Error, Flow, Kind, Result, parse_event};

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A last frame says so, which is how Dynamo's workers tell each other. It names the room in which
    /// two engines were to meet, if there was one.
    Frame {
        /// The room.
        room: Option<u64>,
    },
    /// The response fails: for the host's health check, which takes a frame for an answer.
    Failure,
}

impl Fault {
    /// Tells of `error`: by a frame, or by giving it back. A failure whose message is for the client
    /// stays one on the way to the client.
    ///
    /// # Errors
    /// `error`.
    pub fn tell(self, error: Error, chunks: &mut Chunks) -> Result<()> {
        match self {
            Fault::Frame { room } if !error.is_public() => {
                chunks.send(&error_frame(error.message(), room)?)
            }
            _ => Err(error),
        }
    }
}

#[derive(Debug, Serialize)]
struct Frame<'a> {
    token_ids: Vec<u32>,
    index: u32,
    text: Cow<'a, str>,
    finished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<FinishReason>,
}

#[derive(Debug, Serialize)]
struct ErrorFrame<'a> {
    token_ids: [u32; 0],
    finish_reason: &'a str,
    error: &'a str,
    finished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_room: Option<u64>,
}

/// A frame that says what failed.
///
/// # Errors
/// Never: it is plain.
pub fn error_frame(error: &str, bootstrap_room: Option<u64>) -> Result<String> {
    let frame =
        ErrorFrame { token_ids: [], finish_reason: "error", error, finished: true, bootstrap_room };
    Ok(serde_json::to_string(&frame)?)
}

/// Turns the engine's stream into frames.
#[derive(Debug)]
pub struct Frames {
    fault: Fault,
    choices: usize,
    finished: BTreeSet<u32>,
    /// The engine has said that there is no more.
    over: bool,
    /// It has nothing but media to fail for: it has said nothing yet, and there are some.
    reads_media: bool,
}

impl Frames {
    /// For a request for `n` choices.
    pub fn new(n: Option<u32>, fault: Fault) -> Self {
        let choices = n.unwrap_or(1).max(1) as usize;
        Frames { fault, choices, finished: BTreeSet::new(), over: false, reads_media: false }
    }

    /// For a request with media. What the encoder cannot read Dynamo's encode worker refuses, before
    /// there is anything to frame; here the engine says so, by giving the request up at once.
    pub fn with_media(mut self, any: bool) -> Self {
        self.reads_media = any;
        self
    }

    /// The engine has given the request up. What is the client's doing it gets to know.
    fn fail(&mut self, error: &ErrorEvent, chunks: &mut Chunks) -> Result<Flow> {
        self.over = true;
        self.fault.tell(engine_failure(&error.code, &error.message), chunks)?;
        Ok(Flow::Done)
    }
}

impl Converter for Frames {
    fn engine_is_done(&self) -> bool {
        self.over || self.finished.len() >= self.choices
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == DONE {
            self.over = true;
            return Ok(Flow::Continue);
        }
        let event: Event = parse_event(event)?;
        if let Some(error) = &event.error {
            return self.fail(error, chunks);
        }
        let finish = event.meta_info.and_then(|meta| meta.finish_reason).flatten();
        let (index, token_ids) = (event.index.unwrap_or(0), event.output_ids.unwrap_or_default());
        if finish.is_some() {
            self.finished.insert(index);
        } else if token_ids.is_empty() {
            return Ok(Flow::Continue);
        }
        if let Some(failure) = finish.as_ref().filter(|finish| finish.is_failure()) {
            let message = failure.message.as_deref().unwrap_or_default();
            let failure = engine_failure(&failure.status_code, message);
            if self.fault == Fault::Failure || (self.reads_media && failure.is_public()) {
                return Err(failure);
            }
            // Dynamo tells no abort from another.
        }
        self.reads_media = false;
        let text = event.text.map(RawValue::get);
        let frame = Frame {
            token_ids,
            index,
            text: text.map(|text| parse_event(text.as_bytes())).transpose()?.unwrap_or_default(),
            finished: finish.is_some(),
            finish_reason: finish.as_ref().map(|finish| finish.reason()),
        };
        chunks.send(&serde_json::to_string(&frame)?)?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.engine_is_done() {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "the engine closed its answer before it was complete"))
    }
}
