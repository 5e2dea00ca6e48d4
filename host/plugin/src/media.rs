//! The import `media`: images and videos, which stay in the host's memory.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime::component::Resource;

use crate::Failure;
use crate::bindings::{media, types};
use crate::imports::State;

pub use media::Limits as MediaLimits;

/// Brings images and videos in, and keeps those that were made.
#[async_trait]
pub trait MediaAccess: Send + Sync + 'static {
    /// What `url` leads to, under the operator's rules and within `limits`.
    ///
    /// # Errors
    /// The rules or the limits forbid it, or its source fails.
    async fn fetch(&self, url: &str, limits: MediaLimits) -> Result<Blob, Failure>;

    /// Keeps `blob` as `name` in the operator's store; the URL where clients find it.
    ///
    /// # Errors
    /// The name leads out of the store, or the store fails.
    async fn store(&self, name: &str, blob: &Blob) -> Result<String, Failure>;
}

/// Bytes a plugin names and the host holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The media type, such as `image/png`.
    pub content_type: String,
    /// The bytes. Clones share them.
    pub bytes: Bytes,
}

fn size(blob: &Blob) -> u64 {
    blob.bytes.len() as u64
}

/// What a plugin hears before there is a worker.
fn no_media() -> types::Failure {
    Failure::unavailable("media are fetched and stored while a request is served, not before")
        .into()
}

impl media::Host for State {
    async fn fetch(
        &mut self,
        url: String,
        mut limits: MediaLimits,
    ) -> wasmtime::Result<Result<Resource<Blob>, types::Failure>> {
        let Some(access) = self.hooks.media.clone() else { return Ok(Err(no_media())) };
        limits.max_bytes = limits.max_bytes.min(self.media_bytes_left);
        let asked = Instant::now();
        let fetched = access.fetch(&url, limits).await;
        self.deadline.extend(asked.elapsed());
        Ok(match fetched {
            Ok(blob) => {
                self.media_bytes_left = self.media_bytes_left.saturating_sub(size(&blob));
                Ok(self.table.push(blob)?)
            }
            Err(failure) => Err(failure.into()),
        })
    }

    async fn store(
        &mut self,
        name: String,
        blob: Resource<Blob>,
    ) -> wasmtime::Result<Result<String, types::Failure>> {
        let Some(access) = self.hooks.media.clone() else { return Ok(Err(no_media())) };
        let blob = self.table.get(&blob)?.clone();
        let asked = Instant::now();
        let stored = access.store(&name, &blob).await;
        self.deadline.extend(asked.elapsed());
        Ok(stored.map_err(types::Failure::from))
    }
}

impl media::HostBlob for State {
    fn size(&mut self, blob: Resource<Blob>) -> wasmtime::Result<u64> {
        Ok(size(self.table.get(&blob)?))
    }

    fn content_type(&mut self, blob: Resource<Blob>) -> wasmtime::Result<String> {
        Ok(self.table.get(&blob)?.content_type.clone())
    }

    fn read(&mut self, blob: Resource<Blob>, offset: u64, count: u32) -> wasmtime::Result<Vec<u8>> {
        let bytes = &self.table.get(&blob)?.bytes;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(count as usize).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn drop(&mut self, blob: Resource<Blob>) -> wasmtime::Result<()> {
        self.media_bytes_left += size(&self.table.delete(blob)?);
        Ok(())
    }
}
