//! A double of the engine that answers every call with the same frames, and costs nothing.

use bytes::Bytes;
use dynamo_host_engine::events::Events;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_request::{Exchange, Reply};

use crate::stage;

/// Answers with frames of server-sent events.
pub struct Replay(pub Vec<Bytes>);

/// One answer.
pub struct Replayed {
    frames: std::vec::IntoIter<Bytes>,
    events: Events,
}

impl Exchange for Replay {
    type Reply = Replayed;

    async fn send(&self, call: Call) -> Result<Replayed, EngineError> {
        std::hint::black_box(call);
        Ok(Replayed { frames: self.0.clone().into_iter(), events: stage::cut() })
    }
}

impl Reply for Replayed {
    fn status(&self) -> u16 {
        200
    }

    /// The events of a frame arrive together.
    async fn next(&mut self, batch: &mut Vec<Bytes>, max: usize) -> Result<usize, EngineError> {
        let mut taken = 0;
        while taken < max {
            match self.events.take()? {
                Some(event) => {
                    batch.push(event);
                    taken += 1;
                }
                None if taken > 0 => break,
                None => match self.frames.next() {
                    Some(frame) => self.events.feed(frame),
                    None => break,
                },
            }
        }
        Ok(taken)
    }

    fn content_type(&self) -> Option<&str> {
        Some("text/event-stream")
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.frames.next())
    }

    async fn whole(self, _: usize) -> Result<Bytes, EngineError> {
        Ok(self.frames.flatten().collect())
    }
}
