//! Images and videos, which stay with the host: a plugin names them, the host moves them. Using this
//! makes the component import `dynamo:worker/media`, which the operator must grant.

use std::time::Duration;

use crate::bindings::dynamo::worker::media as host;
use crate::{Error, Result};

/// What one fetch may cost and bring. The operator's own limits hold besides.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes at most.
    pub max_bytes: u64,
    /// How long it may take, redirects included.
    pub timeout: Duration,
    /// Prefixes of the media types to take, such as `image/`; none for any.
    pub accept: Vec<String>,
}

/// An image, a video, or whatever else the host holds. Dropping it frees the host's memory.
#[derive(Debug)]
pub struct Blob(host::Blob);

/// Fetches an `http`, `https`, `data` or, where the operator allows a directory, `file` URL.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) for a URL the operator's rules refuse, with a message for
/// the client; other kinds for limits and for sources that fail.
pub fn fetch(url: &str, limits: Limits) -> Result<Blob> {
    let Limits { max_bytes, timeout, accept } = limits;
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    host::fetch(url, &host::Limits { max_bytes, timeout_ms, accept })
        .map(Blob)
        .map_err(Error::from_failure)
}

impl Blob {
    /// Bytes in it.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Its media type, such as `image/png`.
    pub fn content_type(&self) -> String {
        self.0.content_type()
    }

    /// The bytes from `offset` on, at most `count`, fewer at the end. For a look at a header: what is
    /// read is copied into the plugin.
    pub fn read(&self, offset: u64, count: u32) -> Vec<u8> {
        self.0.read(offset, count)
    }

    /// Writes it to the operator's output store as `name`, a relative path, and returns the URL
    /// where clients find it.
    ///
    /// # Errors
    /// A name that leads out of the store, and a store that fails.
    pub fn store(&self, name: &str) -> Result<String> {
        host::store(name, &self.0).map_err(Error::from_failure)
    }
}
