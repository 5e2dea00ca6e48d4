//! Fetching a medium from whatever kind of URL a client gave.

use std::path::PathBuf;
use std::sync::Arc;

use dynamo_host_blob::Blob;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::address;
use crate::data_url;
use crate::error::{FetchError, label, shortened};
use crate::http::Http;
use crate::limits::Limits;
use crate::local_file;
use crate::names::{Names, Refuse, SystemNames};
use crate::policy::Policy;

/// Fetches media from the URLs of clients. Clones share connections.
#[derive(Clone)]
pub struct Fetcher {
    policy: Arc<Policy>,
    http: Arc<Http>,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the client that fetches images and videos cannot be set up: {0}")]
pub struct FetcherError(#[source] reqwest::Error);

impl Fetcher {
    /// A fetcher for what this policy allows.
    ///
    /// # Errors
    ///
    /// If the certificates of the system cannot be used.
    pub fn new(policy: Policy) -> Result<Self, FetcherError> {
        Self::over(policy, Arc::new(SystemNames), address::is_internal)
    }

    /// A fetcher over other names and another notion of what is inside.
    pub(crate) fn over(
        policy: Policy,
        names: Arc<dyn Names>,
        refuse: Refuse,
    ) -> Result<Self, FetcherError> {
        let http = Arc::new(Http::new(&policy, names, refuse).map_err(FetcherError)?);
        Ok(Fetcher { policy: Arc::new(policy), http })
    }

    /// Fetches an `https`, `http`, `data` or `file` URL, or a path under the operator's directory.
    ///
    /// # Errors
    ///
    /// As a [`Failure`](dynamo_host_failure::Failure):
    ///
    /// * `InvalidRequest`: it is not a URL, the policy refuses it or a redirect of it, its host does
    ///   not resolve, there is no such file, its data is not base64, or the server answered 4xx.
    /// * `PayloadTooLarge`: over a limit of the policy or the plugin.
    /// * `UnsupportedMedia`: of a type the plugin does not accept.
    /// * `DeadlineExceeded`: not fetched in time.
    /// * `BackendProtocol`: the server cannot be reached or failed.
    /// * `Internal`: the operator's directory or a file in it cannot be read.
    pub async fn fetch(&self, url: &str, limits: &Limits) -> Result<Blob, FetchError> {
        if url.trim().is_empty() {
            return Err(FetchError::Empty);
        }
        // Before `Url`, which would copy the data.
        if let Some(rest) = data_url::rest(url) {
            return data_url::decode(rest, &self.policy, limits);
        }
        match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => {
                self.fetch_http(parsed, limits).await
            }
            Ok(parsed) if parsed.scheme() == "file" => {
                let path = percent_decode_str(parsed.path()).decode_utf8_lossy().into_owned();
                self.read_file(path.into(), label(&parsed), limits).await
            }
            Ok(parsed) => Err(FetchError::Scheme { label: label(&parsed) }),
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                self.read_file(url.into(), shortened(url), limits).await
            }
            Err(source) => Err(FetchError::Malformed { label: shortened(url), source }),
        }
    }

    async fn fetch_http(&self, url: Url, limits: &Limits) -> Result<Blob, FetchError> {
        let label = label(&url);
        let timeout = self.policy.timeout.unwrap_or(limits.timeout);
        let fetched = tokio::time::timeout(timeout, self.http.fetch(url, &self.policy, limits));
        fetched.await.unwrap_or_else(|_elapsed| {
            Err(FetchError::TimedOut { label, milliseconds: timeout.as_millis() })
        })
    }

    async fn read_file(
        &self,
        path: PathBuf,
        label: String,
        limits: &Limits,
    ) -> Result<Blob, FetchError> {
        let (policy, limits) = (self.policy.clone(), limits.clone());
        let task = {
            let label = label.clone();
            move || local_file::read(&path, label, &policy, &limits)
        };
        tokio::task::spawn_blocking(task).await.unwrap_or_else(|error| {
            Err(FetchError::ReadFile { label, source: std::io::Error::other(error) })
        })
    }
}

/// Refuses a medium of a type the plugin does not accept.
pub(crate) fn wanted(label: String, found: &str, limits: &Limits) -> Result<(), FetchError> {
    if limits.accepts(found) {
        return Ok(());
    }
    Err(FetchError::WrongType { label, found: found.to_owned(), wanted: limits.accept.join(", ") })
}

#[cfg(test)]
mod tests;
