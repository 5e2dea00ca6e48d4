//! Cuts frames into lines, across their borders.

use bytes::{Buf, Bytes, BytesMut};

/// What ends a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum LineEnd {
    /// `\n` alone.
    Lf,
    /// `\n`, `\r\n` or `\r`.
    Any,
}

/// A line is longer than was allowed.
#[derive(Debug)]
pub(super) struct TooLong;

#[derive(Debug)]
pub(super) struct Lines {
    end: LineEnd,
    max: usize,
    /// What is left of the frame.
    rest: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// The last line ended with `\r`: a `\n` right after it belongs to it.
    after_cr: bool,
}

impl Lines {
    pub(super) fn new(end: LineEnd, max: usize) -> Self {
        Lines { end, max, rest: Bytes::new(), begun: BytesMut::new(), after_cr: false }
    }

    pub(super) fn feed(&mut self, frame: Bytes) {
        debug_assert!(self.rest.is_empty(), "the frame before was not used up");
        self.rest = frame;
    }

    /// The next complete line without its end; none when the frame is used up.
    ///
    /// Whether a line is too long depends on its length alone, not on where frames were cut.
    pub(super) fn take(&mut self) -> Result<Option<Bytes>, TooLong> {
        if self.after_cr && !self.rest.is_empty() {
            self.after_cr = false;
            if self.rest.first() == Some(&b'\n') {
                self.rest.advance(1);
            }
        }
        let end = match self.end {
            LineEnd::Lf => memchr::memchr(b'\n', &self.rest),
            LineEnd::Any => memchr::memchr2(b'\n', b'\r', &self.rest),
        };
        let length = self.begun.len() + end.unwrap_or(self.rest.len());
        if length > self.max {
            return Err(TooLong);
        }
        let Some(end) = end else {
            self.begun.extend_from_slice(&self.rest);
            self.rest.clear();
            return Ok(None);
        };
        let line = self.rest.split_to(end);
        self.after_cr = self.rest.first() == Some(&b'\r');
        self.rest.advance(1);
        if self.begun.is_empty() {
            return Ok(Some(line));
        }
        self.begun.extend_from_slice(&line);
        Ok(Some(self.begun.split().freeze()))
    }

    /// The line that was begun and never ended.
    pub(super) fn unended(&mut self) -> Bytes {
        self.begun.split().freeze()
    }
}
