//! Cuts the body of an engine's answer into events.
//!
//! Pure and pull-based: [`Events::feed`] takes the next frame of the body, [`Events::take`] the
//! events that are complete, one at a time, and [`Events::finish`] what the end of the body
//! completes. Nothing is read ahead, so whoever feeds also bounds what is held.
//!
//! An event is a slice of the frame it arrived in. Only one that straddles frames is copied, once.
//!
//! ```
//! use bytes::Bytes;
//! use dynamo_host_engine::events::{Events, Framing};
//!
//! let mut events = Events::new(Framing::Sse, 1024);
//! events.feed(Bytes::from_static(b"data: {\"a\":1}\n\ndata: [DO"));
//! assert_eq!(events.take()?.as_deref(), Some(&b"{\"a\":1}"[..]));
//! assert_eq!(events.take()?, None);
//! events.feed(Bytes::from_static(b"NE]\n\n"));
//! assert_eq!(events.take()?.as_deref(), Some(&b"[DONE]"[..]));
//! # Ok::<(), dynamo_host_engine::events::TooLarge>(())
//! ```

mod gather;
mod lines;
mod ndjson;
mod sse;
#[cfg(test)]
mod tests;
mod whole;

use bytes::Bytes;

pub(crate) use gather::Gather;

/// How an answer is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Server-sent events, as the HTML standard has them: one event per block of `data` fields,
    /// several of them joined by a newline; comments and other fields are dropped, and so is a
    /// last block that no blank line ends.
    Sse,
    /// One event per line, without its end (`\n` or `\r\n`); empty lines are dropped. A last line
    /// needs no end.
    Ndjson,
    /// The body is one event, also when it is empty.
    Whole,
}

/// An event is longer than was allowed. The answer cannot be read on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the engine's answer is over {max} bytes")]
pub struct TooLarge {
    /// The limit, in bytes.
    pub max: usize,
}

/// Cuts one answer.
#[derive(Debug)]
pub struct Events {
    cut: Cut,
    failed: Option<TooLarge>,
}

#[derive(Debug)]
enum Cut {
    Sse(sse::Sse),
    Ndjson(ndjson::Ndjson),
    Whole(whole::Whole),
}

impl Events {
    /// For one answer. An event of more than `max_event_bytes` fails with [`TooLarge`].
    pub fn new(framing: Framing, max_event_bytes: usize) -> Self {
        let cut = match framing {
            Framing::Sse => Cut::Sse(sse::Sse::new(max_event_bytes)),
            Framing::Ndjson => Cut::Ndjson(ndjson::Ndjson::new(max_event_bytes)),
            Framing::Whole => Cut::Whole(whole::Whole::new(max_event_bytes)),
        };
        Events { cut, failed: None }
    }

    /// The next frame of the body. Take all its events before feeding another.
    pub fn feed(&mut self, frame: Bytes) {
        if self.failed.is_some() {
            return;
        }
        match &mut self.cut {
            Cut::Sse(sse) => sse.feed(frame),
            Cut::Ndjson(ndjson) => ndjson.feed(frame),
            Cut::Whole(whole) => whole.feed(frame),
        }
    }

    /// The next complete event; none when the frame is used up. An error repeats.
    pub fn take(&mut self) -> Result<Option<Bytes>, TooLarge> {
        self.once_failed_always_failed(|cut| match cut {
            Cut::Sse(sse) => sse.take(),
            Cut::Ndjson(ndjson) => ndjson.take(),
            Cut::Whole(whole) => whole.take(),
        })
    }

    /// The body has ended: the event that this completes, if any. Nothing comes after it.
    pub fn finish(&mut self) -> Result<Option<Bytes>, TooLarge> {
        self.once_failed_always_failed(|cut| match cut {
            // A block that no blank line ended is not an event.
            Cut::Sse(_) => Ok(None),
            Cut::Ndjson(ndjson) => ndjson.finish(),
            Cut::Whole(whole) => Ok(Some(whole.finish())),
        })
    }

    fn once_failed_always_failed(
        &mut self,
        step: impl FnOnce(&mut Cut) -> Result<Option<Bytes>, TooLarge>,
    ) -> Result<Option<Bytes>, TooLarge> {
        match self.failed {
            Some(failed) => Err(failed),
            None => step(&mut self.cut).inspect_err(|failed| self.failed = Some(*failed)),
        }
    }
}
