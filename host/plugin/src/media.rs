//! The import `media`: images and videos from elsewhere, and to where clients find them.

use async_trait::async_trait;
use dynamo_host_blob::Blob;
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
        let url = self.held.put_back(url.into_bytes());
        let url = String::from_utf8_lossy(&url);
        let fetched = self.deadline.suspend(access.fetch(&url, limits)).await;
        Ok(match fetched {
            Ok(blob) => self.hold(blob)?.map_err(types::Failure::from),
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
        let stored = self.deadline.suspend(access.store(&name, &blob)).await;
        Ok(stored.map_err(types::Failure::from))
    }
}
