//! The connection to Dynamo, one a process.

use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dynamo_host_failure::Failure;
use dynamo_runtime::config::HealthStatus;
use dynamo_runtime::distributed::{DiscoveryBackend, DistributedConfig};
use dynamo_runtime::metrics::MetricsHierarchy;
use dynamo_runtime::storage::kv::Selector;
use dynamo_runtime::{DistributedRuntime, Runtime, RuntimeConfig};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::error::words;
use crate::link::Link;
use crate::served::{ServeOptions, Served};
use crate::{Discovery, EndpointId, Handler, Peers, PlaneConfig, PlaneError};

/// The name under which the whole process is held unready. It appears nowhere: holds are counted,
/// not shown.
const PROCESS_HOLD: &str = "dynamo-host";

/// Answers `/engine/{path}`: the body's JSON (`{}` if it was empty) in, JSON out.
pub type RouteHandler =
    Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, Failure>> + Send + Sync>;

/// This process in Dynamo: its place in discovery, its request listener, its system server. Cheap
/// to clone; the clones share everything.
#[derive(Clone)]
pub struct Plane {
    pub(crate) link: Link,
    config: PlaneConfig,
    added: Arc<Mutex<Added>>,
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What was added to the system server, to be added to the next.
#[derive(Default)]
struct Added {
    routes: Vec<(String, RouteHandler)>,
    metrics: Vec<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl Plane {
    /// Joins discovery and, if `DYN_SYSTEM_PORT` says so, starts the system server. `/health`
    /// answers 503 until [`Plane::set_ready`].
    ///
    /// Uses the tokio runtime it is called in. Waits for etcd for
    /// `ETCD_STARTUP_CONNECT_TIMEOUT_SECONDS` (120) before it gives up.
    ///
    /// # Errors
    ///
    /// Settings that make no sense, a server that cannot be reached, a system port in use.
    pub async fn connect(config: PlaneConfig) -> Result<Self, PlaneError> {
        let link = Link::new(join(&config).await?);
        let plane = Plane { link, config, added: Arc::default() };
        plane.set_ready(false);
        Ok(plane)
    }

    /// Joins anew after [`Plane::lost`], under another [`Plane::instance_id`]: etcd forgets those it
    /// has not heard of for `ETCD_LEASE_TTL`. Each [`Served::renew`] is to follow, and
    /// [`Plane::set_ready`]. Routes and metrics of the system server stay.
    ///
    /// # Errors
    ///
    /// As [`Plane::connect`].
    pub async fn renew(&self) -> Result<(), PlaneError> {
        end(&self.link.runtime()).await;
        self.link.renew(join(&self.config).await?);
        self.set_ready(false);
        let added = self.added();
        added.routes.iter().for_each(|(path, route)| self.add_route(path, route.clone()));
        added.metrics.iter().for_each(|text| self.add_metrics(text.clone()));
        Ok(())
    }

    /// The id of this process in discovery: the last part of its records' keys, in hexadecimal
    /// there, and the `worker_id` of its metrics.
    pub fn instance_id(&self) -> u64 {
        self.link.runtime().connection_id()
    }

    /// The IP address under which other machines reach this one, in brackets if it is IPv6:
    /// what dynamo-runtime advertises unless a variable says otherwise.
    pub fn local_address() -> String {
        dynamo_runtime::utils::local_ip_for_advertise()
    }

    /// Where the system server listens, if it runs.
    pub fn system_address(&self) -> Option<SocketAddr> {
        system_address(&self.link.runtime())
    }

    /// Opens an endpoint, puts `handler` behind it and registers it in discovery. A frontend does
    /// not send requests before [`Served::publish_card`].
    ///
    /// One endpoint name can be served once in the life of a plane.
    ///
    /// # Errors
    ///
    /// A name Dynamo does not accept, no socket for requests, discovery that does not answer.
    pub async fn serve(
        &self,
        endpoint: EndpointId,
        handler: Arc<dyn Handler>,
        options: ServeOptions,
    ) -> Result<Served, PlaneError> {
        Served::start(&self.link, endpoint, handler, options).await
    }

    /// The way to other workers.
    pub fn peers(&self) -> Peers {
        Peers::new(self.link.clone())
    }

    /// Whether the process as a whole serves: the answer of `/health` and `/live` is 503 while it
    /// does not, whatever the endpoints' canaries say. After `true` the endpoints decide.
    pub fn set_ready(&self, ready: bool) {
        let health = self.link.runtime().system_health();
        let mut health = health.lock();
        if ready {
            health.set_health_status(HealthStatus::Ready);
            health.release_endpoint_readiness(PROCESS_HOLD);
        } else {
            health.set_health_status(HealthStatus::NotReady);
            health.hold_endpoint_readiness(PROCESS_HOLD);
        }
    }

    /// Answers `/engine/{path}` of the system server with `handler`; `path` has no leading slash.
    /// A failure is shown with status 500 and its message: the route is for operators.
    ///
    /// Where there is a [`PlaneConfig::route_token`], a call must carry it.
    pub fn register_route(&self, path: &str, handler: RouteHandler) {
        let Some(token) = self.config.route_token.clone() else {
            return self.register_report(path, handler);
        };
        let guarded: RouteHandler = Arc::new(move |mut body| match token.take_from(&mut body) {
            Ok(()) => handler(body),
            Err(failure) => Box::pin(ready(Err(failure))),
        });
        self.register_report(path, guarded);
    }

    /// As [`Plane::register_route`], for a route that only says how things are: nobody needs a token
    /// for it.
    pub fn register_report(&self, path: &str, handler: RouteHandler) {
        self.add_route(path, handler.clone());
        self.added().routes.push((path.to_owned(), handler));
    }

    fn add_route(&self, path: &str, handler: RouteHandler) {
        let callback = move |body| -> BoxFuture<'static, anyhow::Result<Value>> {
            let answer = handler(body);
            Box::pin(async move { answer.await.map_err(anyhow::Error::new) })
        };
        self.link.runtime().engine_routes().register(path, Arc::new(callback));
    }

    /// Adds what `text` returns, in the Prometheus text format, to each answer of `/metrics`.
    pub fn append_metrics(&self, text: impl Fn() -> String + Send + Sync + 'static) {
        let text: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(text);
        self.add_metrics(text.clone());
        self.added().metrics.push(text);
    }

    fn add_metrics(&self, text: Arc<dyn Fn() -> String + Send + Sync>) {
        let callback = move || Ok(text());
        self.link.runtime().get_metrics_registry().add_expfmt_callback(Arc::new(callback));
    }

    fn added(&self) -> MutexGuard<'_, Added> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Dynamo's workers say with each number of their engine: where it is from, and for which
    /// model. (`register_engine_metrics_callback` of Dynamo 1.6.1.)
    pub fn labels(&self, endpoint: &EndpointId, model: &str) -> Vec<(String, String)> {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            label("dynamo_namespace", &endpoint.namespace),
            label("dynamo_component", &endpoint.component),
            label("dynamo_endpoint", &endpoint.endpoint),
            label("worker_id", &format!("{:x}", self.link.runtime().connection_id())),
            label("model", model),
            label("model_name", model),
        ]
    }

    /// Waits until Dynamo gives the process up by itself, as it does when an etcd lease is lost:
    /// its records are gone, and it has to join again ([`Plane::renew`]). Also returns after
    /// [`Plane::shutdown`].
    pub async fn lost(&self) {
        self.link.runtime().runtime().shutdown_started_token().cancelled().await;
    }

    /// Ends the system server, leaves discovery and closes the connections to Dynamo's servers.
    /// [`Served::close`] comes first; what is then still in flight is not waited for.
    pub async fn shutdown(&self) {
        end(&self.link.runtime()).await;
    }
}

async fn join(config: &PlaneConfig) -> Result<DistributedRuntime, PlaneError> {
    let settings = settings()?;
    let runtime =
        Runtime::from_current().map_err(|error| PlaneError::Settings { reason: words(&error) })?;
    tracing::info!(
        discovery = %config.discovery,
        request_plane = %config.request_plane,
        event_plane = %config.event_plane,
        "joining Dynamo"
    );
    let connected = DistributedRuntime::new(runtime.clone(), distributed(config)?).await;
    let connected = connected.map_err(|error| {
        runtime.shutdown();
        PlaneError::Connect {
            backend: config.discovery.to_string(),
            request_plane: config.request_plane.to_string(),
            reason: words(&error),
            advice: advice(config),
        }
    })?;
    // dynamo-runtime only logs that its system server could not start. An operator who asked
    // for probes and metrics must not find out from a dead probe.
    if settings.system_server_enabled() && system_address(&connected).is_none() {
        let address = format!("{}:{}", settings.system_host, settings.system_port);
        let source = match tokio::net::TcpListener::bind(&address).await {
            Ok(_) => std::io::Error::other("it was taken a moment ago"),
            Err(source) => source,
        };
        end(&connected).await;
        return Err(PlaneError::SystemServer { address, source });
    }
    Ok(connected)
}

async fn end(runtime: &DistributedRuntime) {
    runtime.runtime().shutdown();
    runtime.primary_token().cancelled().await;
    runtime.discovery().shutdown();
}

fn system_address(runtime: &DistributedRuntime) -> Option<SocketAddr> {
    runtime.system_status_server_info().map(|server| server.socket_addr)
}

fn settings() -> Result<RuntimeConfig, PlaneError> {
    if let Ok(value) = std::env::var("DYN_SYSTEM_PORT")
        && value.trim().parse::<i64>().is_ok_and(|port| !(-1..=i64::from(i16::MAX)).contains(&port))
    {
        return Err(PlaneError::SystemPort { value });
    }
    RuntimeConfig::from_settings().map_err(|error| PlaneError::Settings { reason: words(&error) })
}

fn distributed(config: &PlaneConfig) -> Result<DistributedConfig, PlaneError> {
    let mut distributed = DistributedConfig::from_settings_with_overrides(
        Some(&config.discovery.to_string()),
        Some(&config.request_plane.to_string()),
        Some(&config.event_plane.to_string()),
    )
    .map_err(|error| PlaneError::Settings { reason: words(&error) })?;
    if let Discovery::File(Some(root)) = &config.discovery {
        distributed.discovery_backend = DiscoveryBackend::KvStore(Selector::File(root.clone()));
    }
    Ok(distributed)
}

fn advice(config: &PlaneConfig) -> &'static str {
    match config.discovery {
        Discovery::Etcd => {
            "Check ETCD_ENDPOINTS (and NATS_SERVER, if set), or use file discovery, which needs no server"
        }
        Discovery::Kubernetes => {
            "Check POD_NAME, POD_UID and POD_NAMESPACE, and the pod's service account"
        }
        Discovery::File(_) | Discovery::Mem => {
            "Check NATS_SERVER, or use tcp and zmq, which need no server"
        }
    }
}
