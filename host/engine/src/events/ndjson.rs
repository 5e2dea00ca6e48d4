//! Newline-delimited JSON. The JSON itself is not looked at.

use bytes::Bytes;

use super::TooLarge;
use super::lines::{LineEnd, Lines};

#[derive(Debug)]
pub(super) struct Ndjson {
    lines: Lines,
    max: usize,
}

impl Ndjson {
    pub(super) fn new(max: usize) -> Self {
        // One more for the `\r` that is not part of the event.
        Ndjson { lines: Lines::new(LineEnd::Lf, max.saturating_add(1)), max }
    }

    pub(super) fn feed(&mut self, frame: Bytes) {
        self.lines.feed(frame);
    }

    pub(super) fn take(&mut self) -> Result<Option<Bytes>, TooLarge> {
        while let Some(line) = self.lines.take().map_err(|_| TooLarge { max: self.max })? {
            if let Some(event) = self.event(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let line = self.lines.unended();
        self.event(line)
    }

    fn event(&self, mut line: Bytes) -> Result<Option<Bytes>, TooLarge> {
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.max {
            return Err(TooLarge { max: self.max });
        }
        Ok((!line.is_empty()).then_some(line))
    }
}
