//! Other workers of the namespace, by endpoint (`namespace.component.endpoint`). Using this makes the
//! component import `dynamo:worker/peers`, which the operator must grant.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::dynamo::worker::handles;
use crate::{Error, Result, parse_chunk};

/// Chunks asked for at once.
const BATCH: u32 = 64;

/// Sends `body` to one of the workers that serve `endpoint`.
///
/// # Errors
/// [`Kind::Unavailable`](crate::Kind) when there is none, and natively, where there is no host; what
/// the worker refuses with.
pub fn open(endpoint: &str, body: &impl Serialize) -> Result<Reply> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Error::internal(format!("a request to {endpoint}: {error}")))?;
    #[cfg(target_family = "wasm")]
    return crate::bindings::dynamo::worker::peers::open(endpoint, &body)
        .map(Reply)
        .map_err(Error::from_failure);
    #[cfg(not(target_family = "wasm"))]
    Err(Error::new(
        crate::Kind::Unavailable,
        format!("no host here asks {endpoint} ({} bytes)", body.len()),
    ))
}

/// The response of another worker, to be read here or to be the source of a step. Dropped before its
/// end it gives the request up there.
#[derive(Debug)]
pub struct Reply(handles::Reply);

impl Reply {
    /// Waits for at least one chunk, then returns what has arrived; none at the end.
    ///
    /// # Errors
    /// What the response failed with, and a chunk that is no `T`.
    pub fn next<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let chunks = self.0.next(BATCH).map_err(Error::from_failure)?;
        chunks.iter().map(|chunk| parse_chunk(chunk)).collect()
    }

    /// All chunks to the end.
    ///
    /// # Errors
    /// As [`Reply::next`].
    pub fn collect<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            match self.next()? {
                chunks if chunks.is_empty() => return Ok(all),
                chunks => all.extend(chunks),
            }
        }
    }

    pub(crate) fn into_handle(self) -> handles::Reply {
        self.0
    }
}
