//! Server-sent events, as the HTML standard has them ("Interpreting an event stream").

use bytes::{Buf, Bytes};

use super::TooLarge;
use super::gather::Gather;
use super::lines::{LineEnd, Lines};

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data";

/// What a line may have beside the data: the byte order mark and `data: `.
const AROUND_DATA: usize = 9;

#[derive(Debug)]
pub(super) struct Sse {
    lines: Lines,
    max: usize,
    data: Gather,
    /// No line was taken yet: a byte order mark may come.
    at_start: bool,
}

impl Sse {
    pub(super) fn new(max: usize) -> Self {
        Sse {
            lines: Lines::new(LineEnd::Any, max.saturating_add(AROUND_DATA)),
            max,
            data: Gather::default(),
            at_start: true,
        }
    }

    pub(super) fn feed(&mut self, frame: Bytes) {
        self.lines.feed(frame);
    }

    pub(super) fn take(&mut self) -> Result<Option<Bytes>, TooLarge> {
        let max = self.max;
        while let Some(mut line) = self.lines.take().map_err(|_| TooLarge { max })? {
            if std::mem::take(&mut self.at_start) && line.starts_with(BOM) {
                line.advance(BOM.len());
            }
            if line.is_empty() {
                if let Some(event) = self.data.take() {
                    return Ok(Some(event));
                }
            } else if let Some(value) = data(line) {
                self.data.push(value, b"\n");
                if self.data.len() > max {
                    return Err(TooLarge { max });
                }
            }
        }
        Ok(None)
    }
}

/// The value of a `data` field; none for a comment or any other field.
fn data(mut line: Bytes) -> Option<Bytes> {
    if !line.starts_with(DATA) {
        return None;
    }
    match line.get(DATA.len()) {
        // A field name alone has the empty value.
        None => line.advance(DATA.len()),
        Some(b':') => {
            let space = usize::from(line.get(DATA.len() + 1) == Some(&b' '));
            line.advance(DATA.len() + 1 + space);
        }
        Some(_) => return None,
    }
    Some(line)
}
