//! One endpoint being served: its records in discovery, its health, its requests.

mod records;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dynamo_host_failure::Failure;
use dynamo_runtime::DistributedRuntime;
use dynamo_runtime::component::{self, Endpoint, Instance};
use dynamo_runtime::config::HealthStatus;
use dynamo_runtime::discovery::{DiscoveryInstance, ModelCardInstanceId};
use dynamo_runtime::pipeline::network::{Ingress, PushWorkHandler, RequestPlanePayloadCodec};
use dynamo_runtime::pipeline::{ManyOut, ServiceEngine, SingleIn};
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use crate::card::AdapterFacts;
use crate::engine::Engine;
use crate::error::words;
use crate::flight::Flights;
use crate::frame::{Item, RawAdapter, RawRequest};
use crate::link::Link;
use crate::{EndpointId, Handler, PlaneError};

use records::{AdapterRecord, Records};

/// How an endpoint is served.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// The request of the canary (`DYN_HEALTH_CHECK_ENABLED`) and of [`Served::probe`].
    pub health_payload: Option<Value>,
    /// Added to the labels of the endpoint's metrics, such as `model`.
    pub labels: Vec<(String, String)>,
    /// Whether chunks stand alone, not in an `Annotated` as for frontends: what a caller expects that
    /// is no frontend.
    pub bare: bool,
}

/// An endpoint being served. All of its operations are idempotent and exclude each other, so that
/// a shutdown can overlap an engine's restart. Dropping it does not end it: [`Served::close`] does.
#[derive(Debug)]
pub struct Served {
    id: EndpointId,
    /// Of the connection of the moment.
    endpoint: RwLock<Endpoint>,
    link: Link,
    engine: Engine,
    flights: Flights,
    options: ServeOptions,
    records: Mutex<Records>,
}

impl Served {
    pub(crate) async fn start(
        link: &Link,
        id: EndpointId,
        handler: Arc<dyn Handler>,
        options: ServeOptions,
    ) -> Result<Self, PlaneError> {
        let flights = Flights::new();
        let served = Served {
            endpoint: RwLock::new(endpoint(&link.runtime(), &id)?),
            link: link.clone(),
            engine: Engine::new(handler, flights.clone()),
            flights,
            options,
            records: Mutex::default(),
            id,
        };
        served.open().await?;
        served.enter(&mut *served.records.lock().await).await?;
        Ok(served)
    }

    /// Opens the endpoint again on a connection that was renewed, and registers what was registered.
    /// What is in flight goes on. Returns whether it is in discovery; health follows with the next
    /// [`Served::probe`]. Does nothing after [`Served::close`].
    ///
    /// # Errors
    ///
    /// As [`Plane::serve`](crate::Plane::serve). It may be tried again.
    pub async fn renew(&self) -> Result<bool, PlaneError> {
        let mut records = self.records.lock().await;
        if records.closed {
            return Ok(false);
        }
        // The records went with the connection.
        records.endpoint = false;
        records.listed = None;
        records.adapters.values_mut().for_each(|record| record.listed = None);
        let endpoint = endpoint(&self.link.runtime(), &self.id)?;
        *self.endpoint.write().unwrap_or_else(PoisonError::into_inner) = endpoint;
        self.open().await?;
        if records.left {
            return Ok(false);
        }
        self.enter(&mut records).await?;
        Ok(true)
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The steps of dynamo-runtime's `EndpointConfigBuilder::start_with_registration`, which ties
    /// the record to the handler: we leave discovery and come back while the handler stays.
    async fn open(&self) -> Result<(), PlaneError> {
        let listen = |error: anyhow::Error| PlaneError::Listen {
            endpoint: self.id.clone(),
            reason: words(&error),
        };
        let endpoint = self.endpoint();
        let runtime = endpoint.drt();
        let service: ServiceEngine<SingleIn<RawRequest>, ManyOut<Item>> =
            Arc::new(self.engine.clone());
        let adapter = RawAdapter { bare: self.options.bare };
        let ingress = Ingress::for_engine_with_adapter(service, adapter).map_err(listen)?;
        ingress.bind_endpoint(&endpoint);
        let labels = self.options.labels.iter();
        let labels: Vec<(&str, &str)> =
            labels.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        ingress.add_metrics(&endpoint, Some(&labels)).map_err(listen)?;

        let server = runtime.request_plane_server().await.map_err(listen)?;
        self.arm_canary(ingress.as_ref()).await.map_err(listen)?;
        server
            .register_endpoint(
                self.id.endpoint.clone(),
                ingress,
                runtime.connection_id(),
                self.id.namespace.clone(),
                self.id.component.clone(),
                runtime.system_health(),
            )
            .await
            .map_err(listen)
    }

    /// Lets Dynamo's canary reach the handler. The endpoint starts unready either way.
    async fn arm_canary(&self, ingress: &dyn PushWorkHandler) -> anyhow::Result<()> {
        let endpoint = self.endpoint();
        let runtime = endpoint.drt();
        let name = &self.id.endpoint;
        runtime.local_endpoint_registry().register(name.clone(), Arc::new(self.engine.clone()));
        let target = match &self.options.health_payload {
            Some(payload) => Some((payload.clone(), self.instance().await?)),
            None => None,
        };
        let health = runtime.system_health();
        let health = health.lock();
        // Otherwise opening the endpoint would make it ready where the canary is off.
        health.hold_endpoint_readiness(name);
        health.set_endpoint_health_status(name, HealthStatus::NotReady);
        if let Some((payload, instance)) = target {
            health.register_health_check_target(name, instance, payload);
            if let Some(notifier) = health.get_endpoint_health_check_notifier(name) {
                ingress.set_endpoint_health_check_notifier(notifier)?;
            }
        }
        Ok(())
    }

    /// As it stands in discovery.
    pub(crate) async fn instance(&self) -> anyhow::Result<Instance> {
        let endpoint = self.endpoint();
        let instance_id = endpoint.drt().connection_id();
        Ok(Instance {
            namespace: self.id.namespace.clone(),
            component: self.id.component.clone(),
            endpoint: self.id.endpoint.clone(),
            instance_id,
            transport: component::build_transport_type(&endpoint, &endpoint.id(), instance_id)
                .await?,
            device_type: None,
            request_plane_codec: Some(RequestPlanePayloadCodec::configured()),
        })
    }

    /// The endpoint's name.
    pub fn id(&self) -> &EndpointId {
        &self.id
    }

    /// Sends the health-check payload through the handler and waits for the first chunk; without a
    /// payload there is nothing to ask, and the probe passes. A probe that passes makes the
    /// endpoint ready for `/health`, so that readiness never precedes a real answer, also where
    /// Dynamo's own canary is off (its default) or has not come round yet. The probe itself has no
    /// deadline.
    ///
    /// # Errors
    ///
    /// What the handler failed with.
    pub async fn probe(&self) -> Result<(), Failure> {
        if let Some(payload) = &self.options.health_payload {
            self.engine.probe(payload).await?;
        }
        self.set_ready();
        Ok(())
    }

    /// Makes the endpoint ready for `/health` without a probe: somebody has just seen it answer.
    pub fn set_ready(&self) {
        let health = self.endpoint().drt().system_health();
        let health = health.lock();
        health.set_endpoint_health_status(&self.id.endpoint, HealthStatus::Ready);
        health.release_endpoint_readiness(&self.id.endpoint);
    }

    /// How many health checks in a row have failed, Dynamo's canary and [`Served::probe`] together.
    /// Zero again with the first that passes.
    pub fn failed_checks(&self) -> watch::Receiver<u32> {
        self.engine.checks().watch()
    }

    /// Publishes the model card, and the endpoint before it if it had left: from here on frontends
    /// list the model. A second call with the same card does nothing; another card needs
    /// [`Served::withdraw`] first, since Dynamo refuses to change one in place.
    ///
    /// # Errors
    ///
    /// Another model is registered on the endpoint, or discovery does not answer.
    pub async fn publish_card(&self, card: Value) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        records.card = Some(card);
        self.enter(&mut records).await
    }

    /// Leaves discovery, the card first, so that frontends send nothing new here; the endpoint goes
    /// `notice` later. What is in flight goes on, and a request that was already on its way is served.
    ///
    /// A frontend ends what it has sent to an endpoint that goes before an answer has begun
    /// (dynamo-runtime's `cancel_instance_streams`; without `--migration-limit` its client gets a
    /// 503). Whoever wants nothing to be lost gives frontends the time to notice that the card has gone.
    ///
    /// # Errors
    ///
    /// Discovery does not answer. What was not removed is tried again by the next call.
    pub async fn withdraw(&self, notice: Duration) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        self.set_unready();
        self.leave(&mut records, notice).await
    }

    /// Leaves discovery as [`Served::withdraw`] does, and stays ready: the worker is well, and somebody
    /// wants it to rest.
    ///
    /// # Errors
    ///
    /// Discovery does not answer. What was not removed is tried again by the next call.
    pub async fn hide(&self, notice: Duration) -> Result<(), PlaneError> {
        self.leave(&mut *self.records.lock().await, notice).await
    }

    /// Comes back after [`Served::withdraw`] or [`Served::hide`], the card last. Does nothing after
    /// [`Served::close`]. Health follows with the next [`Served::probe`].
    ///
    /// # Errors
    ///
    /// Discovery does not answer.
    pub async fn rejoin(&self) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        self.enter(&mut records).await
    }

    /// Publishes the card of a LoRA adapter beside the worker's own, from which it is made. It comes
    /// and goes with that from then on.
    ///
    /// # Errors
    ///
    /// The worker has no card, or discovery does not answer.
    pub async fn publish_adapter(&self, adapter: &AdapterFacts) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        let Some(base) = &records.card else {
            let error = anyhow::anyhow!("the worker has no card of its own");
            return Err(self.refused("publish an adapter", &error));
        };
        let card = adapter.card(base);
        let listed = match records.listed {
            Some(_) => Some(self.register_card(card.clone(), Some(&adapter.name)).await?),
            None => None,
        };
        records.adapters.insert(adapter.name.clone(), AdapterRecord { card, listed });
        Ok(())
    }

    /// Withdraws the card of a LoRA adapter. Does nothing if there is none of that name.
    ///
    /// # Errors
    ///
    /// Discovery does not answer.
    pub async fn withdraw_adapter(&self, name: &str) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        if let Some(listed) = records.adapters.get(name).and_then(|record| record.listed.clone()) {
            self.unregister_card(listed).await?;
        }
        records.adapters.remove(name);
        Ok(())
    }

    /// Marks the worker for routers (`runtime_config.taints` of its card), in place of the marks it
    /// had.
    ///
    /// # Errors
    ///
    /// The worker has no card, a mark is one of Dynamo's own (`dynamo.topology/`), or discovery does
    /// not answer.
    pub async fn set_taints(&self, taints: BTreeSet<String>) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        let Some(card) = &mut records.card else {
            let error = anyhow::anyhow!("the worker has no card of its own");
            return Err(self.refused("mark the worker", &error));
        };
        card["runtime_config"]["taints"] = taints.iter().cloned().collect();
        if let Some(DiscoveryInstance::Model { .. }) = &records.listed {
            let id = ModelCardInstanceId {
                namespace: self.id.namespace.clone(),
                component: self.id.component.clone(),
                endpoint: self.id.endpoint.clone(),
                instance_id: self.endpoint().drt().connection_id(),
                model_suffix: None,
            };
            let discovery = self.endpoint().drt().discovery();
            let updated = discovery.update_model_taints(id, taints.into_iter().collect()).await;
            updated.map_err(|error| self.refused("mark the worker", &error))?;
        }
        Ok(())
    }

    /// How many requests of clients are being answered.
    pub fn in_flight(&self) -> usize {
        self.flights.count()
    }

    /// Waits until no request is in flight, `deadline` at most. Returns whether none is.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.flights.drained(deadline).await
    }

    /// Leaves discovery, refuses new requests (`Server unavailable`, which frontends migrate) and
    /// waits for those in flight, `DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS` (900) at most:
    /// [`Served::drain`] comes first.
    ///
    /// # Errors
    ///
    /// Discovery or the request plane does not answer.
    pub async fn close(&self) -> Result<(), PlaneError> {
        let mut records = self.records.lock().await;
        self.set_unready();
        let left = self.leave(&mut records, Duration::ZERO).await;
        if !records.closed {
            records.closed = true;
            let endpoint = self.endpoint();
            let runtime = endpoint.drt();
            let refused = |error: anyhow::Error| PlaneError::Listen {
                endpoint: self.id.clone(),
                reason: words(&error),
            };
            let server = runtime.request_plane_server().await.map_err(refused)?;
            server
                .unregister_endpoint_instance(&endpoint.id(), runtime.connection_id())
                .await
                .map_err(refused)?;
        }
        left
    }

    fn set_unready(&self) {
        let health = self.endpoint().drt().system_health();
        let health = health.lock();
        health.hold_endpoint_readiness(&self.id.endpoint);
        health.set_endpoint_health_status(&self.id.endpoint, HealthStatus::NotReady);
    }
}

fn endpoint(runtime: &DistributedRuntime, id: &EndpointId) -> Result<Endpoint, PlaneError> {
    let component = runtime
        .namespace(&id.namespace)
        .and_then(|namespace| namespace.component(&id.component))
        .map_err(|error| PlaneError::Listen { endpoint: id.clone(), reason: words(&error) })?;
    Ok(component.endpoint(&id.endpoint))
}
