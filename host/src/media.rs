//! Images and videos, as a plugin's imports see them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_media::{Fetcher, FetcherError, Limits, Policy, Store, StoreError};
use dynamo_host_plugin::{Blob, Failure, Kind, MediaAccess, MediaLimits};

use crate::cli::MediaFlags;
use crate::metrics::Denials;

/// Fetches under the operator's rules (`DYN_MM_*`) and stores where the operator says
/// (`--media-output-fs-url`).
pub struct Media {
    fetcher: Fetcher,
    store: Store,
}

/// The operator's settings for media cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The client that fetches cannot be made.
    #[error("media cannot be fetched: {0}")]
    Fetcher(#[from] FetcherError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Media {
    /// Takes the rules and credentials from the environment. Reaches nothing yet.
    ///
    /// # Errors
    /// Flags that name no store.
    pub fn open(flags: &MediaFlags) -> Result<Self, MediaError> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        Ok(Media {
            fetcher: Fetcher::new(Policy::from_env(|name| std::env::var(name).ok()))?,
            store: Store::open(
                &flags.media_output_fs_url,
                flags.media_output_http_url.as_deref(),
                environment,
            )?,
        })
    }
}

/// The same, as one plugin has it.
pub struct PluginMedia {
    media: Arc<Media>,
    denials: Denials,
}

impl PluginMedia {
    /// Counts in `denials` which hosts, files and names are refused.
    pub fn new(media: Arc<Media>, denials: Denials) -> Self {
        PluginMedia { media, denials }
    }
}

#[async_trait]
impl MediaAccess for PluginMedia {
    async fn fetch(&self, url: &str, limits: MediaLimits) -> Result<Blob, Failure> {
        let limits = Limits {
            max_bytes: limits.max_bytes,
            timeout: Duration::from_millis(limits.timeout_ms.into()),
            accept: limits.accept,
        };
        self.media.fetcher.fetch(url, &limits).await.map_err(|error| {
            if error.is_denied() {
                self.denials.count("media");
            }
            error.into()
        })
    }

    async fn store(&self, name: &str, blob: &Blob) -> Result<String, Failure> {
        let stored = self.media.store.put(name, blob.clone()).await;
        // Nothing else of a store is the plugin's fault.
        if stored.as_ref().is_err_and(|failure| failure.kind == Kind::InvalidRequest) {
            self.denials.count("media");
        }
        stored
    }
}
