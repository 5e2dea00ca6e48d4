//! Pieces that make one: a single piece is handed on as it is, several are copied together.

use bytes::{Bytes, BytesMut};

#[derive(Debug, Default)]
pub(crate) enum Gather {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gather {
    /// The bytes gathered so far.
    pub(crate) fn len(&self) -> usize {
        match self {
            Gather::Nothing => 0,
            Gather::One(piece) => piece.len(),
            Gather::Many(joined) => joined.len(),
        }
    }

    /// Adds a piece, with `between` before it unless it is the first.
    pub(crate) fn push(&mut self, piece: Bytes, between: &[u8]) {
        *self = match std::mem::take(self) {
            Gather::Nothing => Gather::One(piece),
            Gather::One(first) => {
                let mut joined = BytesMut::with_capacity(first.len() + between.len() + piece.len());
                joined.extend_from_slice(&first);
                joined.extend_from_slice(between);
                joined.extend_from_slice(&piece);
                Gather::Many(joined)
            }
            Gather::Many(mut joined) => {
                joined.extend_from_slice(between);
                joined.extend_from_slice(&piece);
                Gather::Many(joined)
            }
        };
    }

    /// What was gathered, leaving nothing; none if nothing was pushed, not even an empty piece.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        match std::mem::take(self) {
            Gather::Nothing => None,
            Gather::One(piece) => Some(piece),
            Gather::Many(joined) => Some(joined.freeze()),
        }
    }
}
