//! Events of this worker, for routers.

use std::sync::Arc;

use dynamo_runtime::discovery::{DiscoveryInstance, DiscoverySpec, EventScope};
use dynamo_runtime::protocols;
use dynamo_runtime::transports::event_plane::EventPublisher;
use serde_json::{Value, json};

use crate::error::words;
use crate::link::Link;
use crate::{EndpointId, Handler, Plane, PlaneError, ServeOptions, Served};

/// The topic of what KV caches hold.
const KV_EVENTS: &str = "kv-events";

/// A topic of the event plane. Dropping it withdraws it.
pub struct Publisher {
    events: EventPublisher,
    endpoint: EndpointId,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("topic", &self.events.topic()).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Publishes one message, which is MessagePack. Routers that are slow lose what is over 100,000
    /// messages.
    ///
    /// # Errors
    ///
    /// The event plane does not take it: no connection, or a message it finds too long.
    pub async fn publish(&self, message: &[u8]) -> Result<(), PlaneError> {
        let published = self.events.publish_bytes_ref(message).await;
        published.map_err(|error| PlaneError::Event {
            topic: self.events.topic().to_owned(),
            endpoint: self.endpoint.clone(),
            reason: words(&error),
        })
    }
}

/// Whose KV cache it is, and who may ask what it holds.
pub struct KvSourceOptions {
    /// The worker's endpoint.
    pub worker: EndpointId,
    /// The worker; none for this process ([`Plane::instance_id`]).
    pub worker_id: Option<u64>,
    /// Where routers look for the events, if not at the worker's endpoint (`--kv-state-endpoint`).
    pub state: Option<EndpointId>,
    /// The data-parallel rank.
    pub rank: u32,
    /// Answers routers that missed events (`WorkerKvQueryRequest`, one chunk).
    pub recovery: Option<Arc<dyn Handler>>,
}

/// One rank's KV events. Dropping it stops them; [`KvSource::close`] also withdraws them.
#[derive(Debug)]
pub struct KvSource {
    publisher: Publisher,
    recovery: Option<Served>,
    record: DiscoveryInstance,
    link: Link,
}

impl KvSource {
    /// Publishes a list of `RouterEvent`s.
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    pub async fn publish(&self, events: &[u8]) -> Result<(), PlaneError> {
        self.publisher.publish(events).await
    }

    /// Withdraws the events. Routers drop what they know of the rank.
    pub async fn close(&self) {
        let withdrawn = self.link.runtime().discovery().unregister(self.record.clone()).await;
        if let Err(error) = withdrawn {
            tracing::warn!("could not withdraw KV events: {}", words(&error));
        }
        if let Some(recovery) = &self.recovery
            && let Err(error) = recovery.close().await
        {
            tracing::warn!("could not close {}: {error}", recovery.id());
        }
    }
}

impl Plane {
    /// Opens the topic `topic` of `endpoint`.
    ///
    /// # Errors
    ///
    /// No socket (`DYN_EVENT_PLANE_HOST`), or discovery does not answer.
    pub async fn publisher(
        &self,
        endpoint: &EndpointId,
        topic: &str,
    ) -> Result<Publisher, PlaneError> {
        let opened =
            EventPublisher::for_endpoint_id(&self.link.runtime(), &theirs(endpoint), topic).await;
        let events = opened.map_err(|error| failed(topic, endpoint, &error))?;
        Ok(Publisher { events, endpoint: endpoint.clone() })
    }

    /// Opens the KV events of a rank: the topic, the endpoint routers ask when they missed some,
    /// and last the record that names both. (`KvEventPublisher` of `dynamo-llm` 1.6.1.)
    ///
    /// # Errors
    ///
    /// As [`Plane::publisher`] and [`Plane::serve`].
    pub async fn kv_source(&self, options: KvSourceOptions) -> Result<KvSource, PlaneError> {
        let KvSourceOptions { worker, worker_id, state, rank, recovery } = options;
        let worker_id = worker_id.unwrap_or_else(|| self.instance_id());
        let state = state.unwrap_or_else(|| worker.clone());
        let publisher = self.publisher(&state, KV_EVENTS).await?;
        let id = publisher.events.publisher_id();
        let recovery = match recovery {
            None => None,
            Some(handler) => {
                let endpoint = format!("worker_kv_query_source_{id:x}");
                let endpoint = EndpointId { endpoint, ..worker };
                let options = ServeOptions { bare: true, ..ServeOptions::default() };
                let served = self.serve(endpoint, handler, options).await?;
                // Nothing to ask it: it is ready.
                if let Err(failure) = served.probe().await {
                    tracing::warn!("the recovery of KV events is not ready: {failure}");
                }
                Some(served)
            }
        };
        let failed = |error| failed(KV_EVENTS, &state, &error);
        let target = match &recovery {
            Some(recovery) => {
                let instance = recovery.instance().await.map_err(failed)?;
                serde_json::to_value(instance).map_err(|error| failed(error.into()))?
            }
            None => Value::Null,
        };
        let metadata = json!({
            "kv_state_endpoint": theirs(&state),
            "worker": {"worker_id": worker_id, "dp_rank": rank},
            "publisher_id": id,
            "recovery_target": target,
        });
        let spec = DiscoverySpec::EventSource {
            scope: EventScope::Endpoint { endpoint: theirs(&state) },
            topic: KV_EVENTS.to_owned(),
            publisher_id: id,
            metadata,
        };
        let record = self.link.runtime().discovery().register(spec).await.map_err(failed)?;
        Ok(KvSource { publisher, recovery, record, link: self.link.clone() })
    }
}

fn theirs(endpoint: &EndpointId) -> protocols::EndpointId {
    protocols::EndpointId {
        namespace: endpoint.namespace.clone(),
        component: endpoint.component.clone(),
        name: endpoint.endpoint.clone(),
    }
}

fn failed(topic: &str, endpoint: &EndpointId, error: &anyhow::Error) -> PlaneError {
    PlaneError::Event { topic: topic.to_owned(), endpoint: endpoint.clone(), reason: words(error) }
}
