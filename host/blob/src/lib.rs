//! Bytes the host holds for a plugin: an image, a video, on their way between client, engine and
//! store.
//!
//! A [`Blob`] is kept in the pieces it arrived in, so that nothing is copied to join them, and is
//! taken apart while it is written on, so that what has been written is held once. A [`Gather`]
//! collects the pieces and holds them to a limit.

pub mod content_type;
mod gather;
mod held;

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;

pub use gather::{Gather, TooLarge};
pub use held::{Holdings, holdings};

use held::Held;

/// An image, a video, or whatever else the host holds.
#[derive(Clone, Debug)]
pub struct Blob {
    content_type: String,
    pieces: Vec<Bytes>,
    size: u64,
    _held: Held,
}

impl Blob {
    /// A blob of one piece. `content_type` is in lower case and without parameters.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Blob::of_pieces(content_type.into(), vec![bytes.into()])
    }

    fn of_pieces(content_type: String, pieces: Vec<Bytes>) -> Self {
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Blob { content_type, pieces, size, _held: Held::new(size) }
    }

    /// The media type, in lower case and without parameters; `application/octet-stream` if neither
    /// the source nor the bytes tell.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// Bytes in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset` on, at most `count`, fewer at the end.
    pub fn read(&self, offset: u64, count: usize) -> Vec<u8> {
        let mut skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut read = Vec::new();
        for piece in &self.pieces {
            let from = skip.min(piece.len());
            skip -= from;
            let wanted = (count - read.len()).min(piece.len() - from);
            read.extend_from_slice(&piece[from..from + wanted]);
        }
        read
    }

    /// The pieces, in their order.
    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    /// All the bytes in one piece; copied only if there are several.
    pub fn into_bytes(mut self) -> Bytes {
        match self.pieces.len() {
            0 | 1 => self.pieces.pop().unwrap_or_default(),
            _ => self.pieces.concat().into(),
        }
    }

    /// How long the blob is in base64, padding included.
    pub fn base64_len(&self) -> u64 {
        self.size.div_ceil(3) * 4
    }

    /// Appends the blob in base64, with padding. Each piece is freed once it is written.
    pub fn write_base64(self, to: &mut Vec<u8>) {
        // Three bytes make four characters: what a piece has left over goes before the next one.
        let mut left_over = Vec::with_capacity(3);
        for piece in self.pieces {
            let completing = if left_over.is_empty() { 0 } else { 3 - left_over.len() };
            let (first, rest) = piece.split_at(completing.min(piece.len()));
            left_over.extend_from_slice(first);
            if left_over.len() == 3 {
                append(&STANDARD_NO_PAD, &left_over, to);
                left_over.clear();
            }
            let (whole, tail) = rest.split_at(rest.len() - rest.len() % 3);
            append(&STANDARD_NO_PAD, whole, to);
            left_over.extend_from_slice(tail);
        }
        append(&STANDARD, &left_over, to);
    }
}

/// Blobs are the same whose type and bytes are, in whatever pieces.
impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |blob: &Blob| blob.clone().into_bytes();
        self.content_type == other.content_type
            && self.size == other.size
            && bytes(self) == bytes(other)
    }
}

impl Eq for Blob {}

fn append(engine: &impl base64::Engine, bytes: &[u8], to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is more than enough, which is the only way this fails.
    let written = engine.encode_slice(bytes, &mut to[start..]).unwrap_or_default();
    to.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn in_pieces_of(length: usize, bytes: &[u8]) -> Blob {
        let pieces = bytes.chunks(length).map(Bytes::copy_from_slice).collect();
        Blob::of_pieces("image/png".into(), pieces)
    }

    #[test]
    fn base64_is_the_same_in_whatever_pieces() {
        let bytes: Vec<u8> = (0..=255).collect();
        for size in [0, 1, 2, 3, 4, 255, 256] {
            let bytes = &bytes[..size];
            let expected = STANDARD.encode(bytes);
            for length in [1, 2, 3, 4, 5, 7, 256] {
                let blob = in_pieces_of(length, bytes);
                assert_eq!(blob.base64_len(), expected.len() as u64);
                let mut text = b">".to_vec();
                blob.write_base64(&mut text);
                assert_eq!(text, format!(">{expected}").into_bytes(), "{size} by {length}");
            }
        }
    }

    #[test]
    fn a_range_is_read_across_pieces() {
        let blob = in_pieces_of(3, b"0123456789");
        assert_eq!(blob.read(2, 5), b"23456");
        assert_eq!(blob.read(8, 5), b"89");
        assert_eq!(blob.read(10, 5), b"");
        assert_eq!(blob.read(u64::MAX, usize::MAX), b"");
    }

    #[test]
    fn blobs_are_the_same_by_their_bytes() {
        let blob = in_pieces_of(3, b"0123456789");
        assert_eq!(blob, Blob::new("image/png", &b"0123456789"[..]));
        assert_ne!(blob, Blob::new("image/gif", &b"0123456789"[..]));
        assert_ne!(blob, Blob::new("image/png", &b"0123456780"[..]));
    }
}
