//! Other workers, called through Dynamo's own transport.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynamo_host_failure::Failure;
use dynamo_runtime::component::Client;
use dynamo_runtime::engine::{AsyncEngineContext, AsyncEngineContextProvider};
use dynamo_runtime::pipeline::{Context, ManyOut, PushRouter, RouterMode};
use dynamo_runtime::protocols::annotated::Annotated;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::Mutex;

use crate::EndpointId;
use crate::link::Link;

/// How long a call waits for a worker that is not there (yet): discovery lists what exists well
/// within it, and a worker that starts later is for a later request.
const APPEARANCE: Duration = Duration::from_secs(3);

/// The way to the workers of one endpoint, in turn.
type Router = PushRouter<JsonBody, Annotated<Chunk>>;

/// What is kept for an endpoint: who serves it, and the way to them.
type Known = (Client, Arc<Router>);

/// Calls other workers. Cheap to clone; the clones share what they know of discovery.
#[derive(Clone)]
pub struct Peers {
    link: Link,
    routers: Arc<Mutex<Routers>>,
}

/// What is known of discovery through one connection.
#[derive(Default)]
struct Routers {
    connection: u64,
    known: HashMap<EndpointId, Known>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").finish_non_exhaustive()
    }
}

impl Peers {
    pub(crate) fn new(link: Link) -> Self {
        Peers { link, routers: Arc::default() }
    }

    /// Sends `body`, a JSON document, to one of the workers of `endpoint` (they take turns) and
    /// returns its response as it comes. `id` is the request's for Dynamo: that of the request on
    /// whose behalf the call is made.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](dynamo_host_failure::Kind) when no worker serves the endpoint or the one chosen cannot be
    /// reached; whatever the worker itself refuses with; [`Kind::Internal`](dynamo_host_failure::Kind) for a body that is not
    /// JSON.
    pub async fn open(
        &self,
        endpoint: &EndpointId,
        id: String,
        body: Vec<u8>,
    ) -> Result<PeerReply, Failure> {
        let body = JsonBody::check(body)?;
        let router = self.router(endpoint).await?;
        let request = Context::with_id_and_metadata(body, id, BTreeMap::new());
        let stream =
            router.round_robin(request).await.map_err(|error| crate::failure::read_any(&error))?;
        Ok(PeerReply { context: stream.context(), stream, ended: false, failure: None })
    }

    async fn router(&self, endpoint: &EndpointId) -> Result<Arc<Router>, Failure> {
        let (client, router) = self.known(endpoint).await.map_err(|error| {
            Failure::unavailable(format!(
                "cannot look for workers of {endpoint}: {}",
                crate::error::words(&error)
            ))
        })?;
        let appearance = tokio::time::timeout(APPEARANCE, client.wait_for_routable_instances());
        match appearance.await {
            Ok(Ok(_)) => Ok(router),
            Ok(Err(_)) | Err(_) => Err(Failure::unavailable(format!(
                "no worker serves {endpoint}: start one, or check its namespace and component"
            ))),
        }
    }

    /// The endpoint's router, made at its first use. The lock is held while one is made, which
    /// takes one round to discovery, so that an endpoint never gets two watchers.
    async fn known(&self, endpoint: &EndpointId) -> anyhow::Result<Known> {
        let mut routers = self.routers.lock().await;
        let runtime = self.link.runtime();
        if routers.connection != runtime.connection_id() {
            *routers = Routers { connection: runtime.connection_id(), known: HashMap::new() };
        }
        if let Some(known) = routers.known.get(endpoint) {
            return Ok(known.clone());
        }
        let component = runtime.namespace(&endpoint.namespace)?.component(&endpoint.component)?;
        let client = component.endpoint(&endpoint.endpoint).client().await?;
        let router = Router::from_client(client.clone(), RouterMode::RoundRobin).await?;
        let known = (client, Arc::new(router));
        routers.known.insert(endpoint.clone(), known.clone());
        Ok(known)
    }
}

/// The response of another worker. Dropped before its end it gives the request up there.
pub struct PeerReply {
    stream: ManyOut<Annotated<Chunk>>,
    context: Arc<dyn AsyncEngineContext>,
    ended: bool,
    /// What the response failed with, until the chunks before it are taken.
    failure: Option<Failure>,
}

impl fmt::Debug for PeerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerReply").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl PeerReply {
    /// Waits for at least one chunk, then returns what has arrived, at most `max` of them, each
    /// one MessagePack value; none at the end of the response.
    ///
    /// # Errors
    /// What the response failed with; it is over then. Chunks that arrived before it are returned
    /// first.
    pub async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, Failure> {
        let mut chunks = Vec::new();
        while chunks.len() < max && !self.ended {
            let item = match self.stream.next().now_or_never() {
                Some(item) => item,
                None if chunks.is_empty() => self.stream.next().await,
                None => break,
            };
            self.ended = item.is_none();
            match item.map_or(Ok(None), Annotated::into_data) {
                Ok(Some(chunk)) => chunks.push(chunk.0),
                // The end, or an annotation for a frontend, such as the worker's id.
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(crate::failure::read(&error));
                }
            }
        }
        match self.failure.take_if(|_| chunks.is_empty()) {
            Some(failure) => Err(failure),
            None => Ok(chunks),
        }
    }
}

impl Drop for PeerReply {
    fn drop(&mut self) {
        if !self.ended {
            self.context.kill();
        }
    }
}

/// A request body: JSON here, whatever the worker's codec is on the wire.
struct JsonBody(Vec<u8>);

impl JsonBody {
    fn check(body: Vec<u8>) -> Result<Self, Failure> {
        match serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(JsonBody(body)),
            Err(error) => Err(Failure::internal(format!(
                "the request for another worker is not a JSON document: {error}"
            ))),
        }
    }
}

impl Serialize for JsonBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_transcode::transcode(&mut serde_json::Deserializer::from_slice(&self.0), serializer)
    }
}

/// What a worker answered, as MessagePack.
struct Chunk(Bytes);

impl<'de> Deserialize<'de> for Chunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut chunk = Vec::new();
        serde_transcode::transcode(deserializer, &mut rmp_serde::Serializer::new(&mut chunk))
            .map_err(serde::de::Error::custom)?;
        Ok(Chunk(chunk.into()))
    }
}
