//! A blob in the making.

use bytes::Bytes;

use crate::{Blob, content_type};

/// More bytes came than may be held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a medium of more than {max_bytes} bytes")]
pub struct TooLarge {
    /// The limit.
    pub max_bytes: u64,
}

/// Collects the pieces of a blob.
#[derive(Debug)]
pub struct Gather {
    pieces: Vec<Bytes>,
    size: u64,
    max_bytes: u64,
}

impl Gather {
    /// Takes up to `max_bytes`.
    pub fn up_to(max_bytes: u64) -> Self {
        Gather { pieces: Vec::new(), size: 0, max_bytes }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The limit is passed. What was gathered is of no use then.
    pub fn push(&mut self, piece: Bytes) -> Result<(), TooLarge> {
        self.size = self.size.saturating_add(piece.len() as u64);
        if self.size > self.max_bytes {
            return Err(TooLarge { max_bytes: self.max_bytes });
        }
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
        Ok(())
    }

    /// Bytes gathered so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The blob. Its type is `declared`, the value of a `Content-Type` header, unless that says
    /// nothing: then it is what the first bytes show.
    pub fn finish(self, declared: Option<&str>) -> Blob {
        let first = self.pieces.first().map_or(&b""[..], |piece| piece);
        let content_type = content_type::of(declared.and_then(content_type::declared), first);
        Blob::of_pieces(content_type, self.pieces)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_limit_holds_for_all_pieces_together() {
        let mut gather = Gather::up_to(4);
        gather.push(Bytes::from_static(b"ab")).unwrap();
        gather.push(Bytes::new()).unwrap();
        gather.push(Bytes::from_static(b"cd")).unwrap();
        assert_eq!(gather.size(), 4);
        let refused = gather.push(Bytes::from_static(b"e")).unwrap_err();
        assert_eq!(refused, TooLarge { max_bytes: 4 });
    }

    #[test]
    fn the_type_is_the_declared_one_or_what_the_bytes_show() {
        let gathered = |declared| {
            let mut gather = Gather::up_to(100);
            gather.push(Bytes::from_static(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")).unwrap();
            gather.finish(declared)
        };
        assert_eq!(gathered(Some("Image/JPEG; q=1")).content_type(), "image/jpeg");
        assert_eq!(gathered(Some("application/octet-stream")).content_type(), "image/png");
        assert_eq!(gathered(None).size(), 16);
    }
}
