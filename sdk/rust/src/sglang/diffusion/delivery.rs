//! The way of what was made to the client.

use serde::Serialize;

use crate::media::Blob;
use crate::{Chunks, Error, Request, Result};

/// How the client gets the medium.
#[derive(Debug)]
pub enum Delivery {
    /// In the response, in base64.
    Base64,
    /// Under this name in the operator's store; the client gets the URL.
    Store(String),
}

impl Delivery {
    /// Sends the chunk that `chunk_of` makes of the medium's URL. Without one the host writes the
    /// medium where the JSON pointer `at` leads in it.
    ///
    /// # Errors
    /// Those of [`Blob::store`].
    pub fn send<T: Serialize>(
        &self,
        medium: Blob,
        at: &str,
        chunks: &mut Chunks,
        chunk_of: impl FnOnce(Option<String>) -> T,
    ) -> Result<()> {
        match self {
            Delivery::Base64 => chunks.send_with(&chunk_of(None), at, medium),
            Delivery::Store(name) => chunks.send(&chunk_of(Some(medium.store(name)?))),
        }
    }
}

/// A part of a name in the store that a client has chosen. The store refuses names that lead out of
/// it as well, but only once the medium is made.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), public, naming `member`.
pub fn name_part<'a>(member: &str, text: &'a str) -> Result<&'a str> {
    let is_plain = !matches!(text, "" | "." | "..")
        && !text.chars().any(|character| character.is_control() || "/\\".contains(character));
    if is_plain {
        return Ok(text);
    }
    Err(Error::invalid_request(format!(
        "{member}: cannot be part of the name of a file; leave out slashes and control characters"
    )))
}

/// A name no other medium has: the request's fresh id, as a UUID is written.
pub fn fresh_name(incoming: &Request) -> String {
    let id = &incoming.fresh.request_id;
    let parts = [0..8, 8..12, 12..16, 16..20, 20..id.len()];
    let parts: Option<Vec<&str>> = parts.into_iter().map(|part| id.get(part)).collect();
    parts.map_or_else(|| id.clone(), |parts| parts.join("-"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_of_names() {
        for part in ["u1", "a b", "..a", "ü"] {
            assert_eq!(name_part("user", part).unwrap(), part);
        }
        for part in ["", ".", "..", "../etc", "a/b", "a\\b", "a\nb", "a\0"] {
            assert!(name_part("user", part).unwrap_err().message().starts_with("user: "));
        }
    }
}
