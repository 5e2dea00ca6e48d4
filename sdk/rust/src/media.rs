//! Images and videos, which stay with the host: a plugin names them, the host moves them. Fetching
//! and storing makes the component import `dynamo:worker/media`, which the operator must grant.

use std::time::Duration;

use crate::bindings::dynamo::worker::{handles, media as host};
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
pub struct Blob(Held);

#[derive(Debug)]
enum Held {
    Host(handles::Blob),
    /// In a native test.
    Here {
        content_type: String,
        bytes: Vec<u8>,
    },
}

/// Fetches an `http`, `https`, `data` or, where the operator allows a directory, `file` URL.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) for a URL the operator's rules refuse, with a message for
/// the client; other kinds for limits and for sources that fail, [`Kind::Unavailable`](crate::Kind)
/// natively, where there is no host.
pub fn fetch(url: &str, limits: Limits) -> Result<Blob> {
    #[cfg(target_family = "wasm")]
    {
        let Limits { max_bytes, timeout, accept } = limits;
        let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        host::fetch(url, &host::Limits { max_bytes, timeout_ms, accept })
            .map(Blob::from_handle)
            .map_err(Error::from_failure)
    }
    #[cfg(not(target_family = "wasm"))]
    Err(Error::new(crate::Kind::Unavailable, format!("no host here fetches {url:?} ({limits:?})")))
}

impl Blob {
    pub(crate) fn from_handle(handle: handles::Blob) -> Self {
        Blob(Held::Host(handle))
    }

    /// A blob for native tests.
    pub(crate) fn here(content_type: &str, bytes: &[u8]) -> Self {
        Blob(Held::Here { content_type: content_type.into(), bytes: bytes.into() })
    }

    pub(crate) fn into_handle(self) -> Result<handles::Blob> {
        match self.0 {
            Held::Host(handle) => Ok(handle),
            Held::Here { .. } => Err(not_held()),
        }
    }

    /// Bytes in it.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Held::Host(handle) => handle.size(),
            Held::Here { bytes, .. } => bytes.len() as u64,
        }
    }

    /// Its media type, such as `image/png`.
    pub fn content_type(&self) -> String {
        match &self.0 {
            Held::Host(handle) => handle.content_type(),
            Held::Here { content_type, .. } => content_type.clone(),
        }
    }

    /// The bytes from `offset` on, at most `count`, fewer at the end. For a look at a header: what is
    /// read is copied into the plugin.
    pub fn read(&self, offset: u64, count: u32) -> Vec<u8> {
        match &self.0 {
            Held::Host(handle) => handle.read(offset, count),
            Held::Here { bytes, .. } => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.iter().skip(offset).take(count as usize).copied().collect()
            }
        }
    }

    /// Writes it to the operator's output store as `name`, a relative path, and returns the URL
    /// where clients find it.
    ///
    /// # Errors
    /// A name that leads out of the store, and a store that fails.
    pub fn store(&self, name: &str) -> Result<String> {
        match &self.0 {
            Held::Host(handle) => host::store(name, handle).map_err(Error::from_failure),
            Held::Here { .. } => Err(not_held()),
        }
    }
}

fn not_held() -> Error {
    Error::internal("a medium of a native test, which no host holds")
}
