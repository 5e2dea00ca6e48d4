//! Host names, resolved once: the addresses that are checked are the addresses connected to.
//!
//! A name server can answer with a public address when a URL is checked and with an internal one
//! when it is connected to. So the client does not resolve a name: it gets its addresses from here,
//! checked.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tracing::debug;

/// The addresses of a name, some time later.
pub(crate) type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where names are resolved.
pub(crate) trait Names: Send + Sync + 'static {
    /// All addresses of this host.
    fn lookup(&self, host: String) -> Lookup;
}

/// The resolver of the operating system.
pub(crate) struct SystemNames;

impl Names for SystemNames {
    fn lookup(&self, host: String) -> Lookup {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect())
        })
    }
}

/// Whether a client's URL may reach an address.
pub(crate) type Refuse = fn(IpAddr) -> bool;

/// A resolver that returns the addresses of a name only if clients may reach all of them. One
/// that leads inside makes the name suspect, as in Dynamo.
pub(crate) struct CheckedNames {
    pub(crate) names: Arc<dyn Names>,
    pub(crate) refuse: Refuse,
}

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    #[error("it does not resolve")]
    Unresolved,
    #[error("it resolves to {0}")]
    Refused(IpAddr),
}

impl CheckedNames {
    async fn addresses(
        names: Arc<dyn Names>,
        refuse: Refuse,
        host: String,
    ) -> Result<Vec<IpAddr>, NameError> {
        let addresses = names.lookup(host).await.map_err(|error| {
            debug!(%error, "a host name of a media URL does not resolve");
            NameError::Unresolved
        })?;
        match addresses.iter().find(|address| refuse(**address)) {
            Some(address) => Err(NameError::Refused(*address)),
            None if addresses.is_empty() => Err(NameError::Unresolved),
            None => Ok(addresses),
        }
    }
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, refuse) = (self.names.clone(), self.refuse);
        Box::pin(async move {
            let addresses = Self::addresses(names, refuse, name.as_str().to_owned()).await?;
            // Port 0 stands for the port of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
