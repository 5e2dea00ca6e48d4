//! A body that is one event.

use bytes::Bytes;

use super::TooLarge;
use super::gather::Gather;

#[derive(Debug)]
pub(super) struct Whole {
    body: Gather,
    max: usize,
}

impl Whole {
    pub(super) fn new(max: usize) -> Self {
        Whole { body: Gather::default(), max }
    }

    pub(super) fn feed(&mut self, frame: Bytes) {
        self.body.push(frame, b"");
    }

    pub(super) fn take(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.body.len() > self.max {
            return Err(TooLarge { max: self.max });
        }
        Ok(None)
    }

    pub(super) fn finish(&mut self) -> Bytes {
        self.body.take().unwrap_or_default()
    }
}
