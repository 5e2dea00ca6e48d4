//! `http` and `https` URLs, redirect by redirect.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use dynamo_host_blob::{Blob, Gather, content_type};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use tracing::debug;
use url::{Host, Url};

use crate::address;
use crate::error::{FetchError, label};
use crate::limits::Limits;
use crate::names::{CheckedNames, NameError, Names, Refuse};
use crate::policy::Policy;

/// How many redirects are followed, as in Dynamo.
const MAX_REDIRECTS: usize = 3;

/// Fetches `http` and `https` URLs.
pub(crate) struct Http {
    client: Client,
    refuse: Refuse,
}

impl Http {
    /// A client that connects to no address that `refuse` refuses, unless the policy allows all.
    pub(crate) fn new(
        policy: &Policy,
        names: Arc<dyn Names>,
        refuse: Refuse,
    ) -> Result<Self, reqwest::Error> {
        let refuse: Refuse = if policy.allow_internal { |_| false } else { refuse };
        let client = Client::builder()
            .user_agent(concat!("dynamo-host/", env!("CARGO_PKG_VERSION")))
            // A proxy would resolve the name, and connect to whatever it finds.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(policy.connect_timeout)
            .dns_resolver(Arc::new(CheckedNames { names, refuse }))
            .build()?;
        Ok(Http { client, refuse })
    }

    /// Fetches `url`, asking the policy again at every redirect.
    pub(crate) async fn fetch(
        &self,
        mut url: Url,
        policy: &Policy,
        limits: &Limits,
    ) -> Result<Blob, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url, policy)?;
            let response = match self.client.get(url.clone()).send().await {
                Ok(response) => response,
                Err(error) => return Err(not_reached(&url, &error)),
            };
            match target(&url, &response)? {
                Some(next) => url = next,
                None => return read(&url, response, policy, limits).await,
            }
        }
        Err(FetchError::TooManyRedirects { label: label(&url), limit: MAX_REDIRECTS })
    }

    /// Whether a client may name this URL. Names that must be resolved first are checked then.
    fn check(&self, url: &Url, policy: &Policy) -> Result<(), FetchError> {
        if url.scheme() == "http" && !policy.allow_http {
            return Err(FetchError::PlainHttp { label: label(url) });
        }
        // `Url` has understood every spelling of an IPv4 address, and has put names in lower case.
        let refused = match url.host() {
            Some(Host::Ipv4(address)) => (self.refuse)(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => (self.refuse)(IpAddr::V6(address)),
            Some(Host::Domain(host)) => !policy.allow_internal && address::is_internal_host(host),
            None => true,
        };
        if refused { Err(FetchError::Internal { label: label(url) }) } else { Ok(()) }
    }
}

/// Where the response redirects to; `None` if it is the last one.
fn target(url: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    let status = response.status();
    let is_redirect = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect {
        return match status.is_success() {
            true => Ok(None),
            false => Err(FetchError::Status { label: label(url), status: status.as_u16() }),
        };
    }
    response
        .headers()
        .get(LOCATION)
        .and_then(|location| url.join(std::str::from_utf8(location.as_bytes()).ok()?).ok())
        .filter(|next| matches!(next.scheme(), "http" | "https"))
        .map(Some)
        .ok_or_else(|| FetchError::BadRedirect { label: label(url) })
}

/// Reads the body, as long as it keeps within the limits.
async fn read(
    url: &Url,
    mut response: Response,
    policy: &Policy,
    limits: &Limits,
) -> Result<Blob, FetchError> {
    let limit = limits.max_bytes.min(policy.max_bytes);
    let too_large = || FetchError::TooLarge { label: label(url), limit };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(too_large());
    }
    let declared = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| content_type::declared(value.to_str().ok()?));
    if let Some(declared) = &declared {
        crate::fetch::wanted(label(url), declared, limits)?;
    }
    let mut body = Gather::up_to(limit);
    while let Some(piece) = response.chunk().await.map_err(|error| not_reached(url, &error))? {
        body.push(piece).map_err(|_| too_large())?;
    }
    let blob = body.finish(declared.as_deref());
    crate::fetch::wanted(label(url), blob.content_type(), limits)?;
    Ok(blob)
}

/// Why there was no response, or not all of it.
fn not_reached(url: &Url, error: &reqwest::Error) -> FetchError {
    let label = label(url);
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        debug!(source = label, %error, "a medium cannot be fetched");
        match error.downcast_ref::<NameError>() {
            Some(NameError::Unresolved) => return FetchError::Unresolved { label },
            Some(NameError::Refused(_)) => return FetchError::Internal { label },
            None => cause = error.source(),
        }
    }
    FetchError::Unreachable { label }
}
