//! Other workers, as a plugin's imports see them.

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_plane::{EndpointId, PeerReply};
use dynamo_host_plugin::{Failure, Kind, PeerCalls, PeerChunks};

use crate::metrics::Denials;

/// Calls workers of the host's own namespace: a namespace is one deployment, and a plugin is no way
/// into another.
pub struct Peers {
    calls: dynamo_host_plane::Peers,
    namespace: String,
    denials: Denials,
}

impl Peers {
    /// Reaches the workers of `namespace`.
    pub fn new(calls: dynamo_host_plane::Peers, namespace: String, denials: Denials) -> Self {
        Peers { calls, namespace, denials }
    }
}

#[async_trait]
impl PeerCalls for Peers {
    async fn open(
        &self,
        endpoint: &str,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Box<dyn PeerChunks>, Failure> {
        let endpoint: EndpointId =
            endpoint.parse().map_err(|error| Failure::internal(format!("the plugin: {error}")))?;
        if endpoint.namespace != self.namespace {
            self.denials.count("peers");
            let message = format!(
                "the plugin asks for {endpoint}, but may reach the namespace {} only",
                self.namespace
            );
            return Err(Failure::new(Kind::PermissionDenied, message));
        }
        let reply = self.calls.open(&endpoint, id.to_owned(), body).await?;
        Ok(Box::new(Reply(reply)))
    }
}

struct Reply(PeerReply);

#[async_trait]
impl PeerChunks for Reply {
    async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, Failure> {
        self.0.next(max).await
    }
}
