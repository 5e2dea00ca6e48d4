//! The life of a worker.

use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dynamo_host_engine::{Client, State};
use dynamo_host_plane::{Discovery, EventPlane, Plane, PlaneConfig, ServeOptions, Served};
use dynamo_host_plugin::{
    Configured, Failure, Grants, Hooks, Kind, Limits, Plugin, Runtime, Setup, Start,
};
use dynamo_host_request::{SystemFresh, Worker};
use serde_json::Value;

use crate::adapters::Adapters;
use crate::backend::{Backend, Place, free_port};
use crate::cli::{Arguments, health_check};
use crate::control::Control;
use crate::error::HostError;
use crate::handler::WorkerHandler;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::peers::Peers;
use crate::shutdown::{self, Patience, Signals};
use crate::{locate, model, registration, routes, topology, warm_up};

/// Between attempts to bring a worker back whose engine is back.
const RETRY: Duration = Duration::from_secs(2);

/// Serves until told to stop.
///
/// # Errors
/// Why the worker could not start or go on. After a shutdown that was asked for there is none.
pub async fn run(arguments: Arguments) -> Result<(), HostError> {
    let mut signals = Signals::listen().map_err(HostError::Signals)?;
    let starting = Host::start(&arguments);
    let host = tokio::select! {
        host = starting => host?,
        // Nothing is served yet: dropping what was started ends it, the engine included.
        signal = signals.next() => {
            tracing::info!("{signal} while starting: nothing is served yet, exiting");
            return Ok(());
        }
    };
    host.serve(&mut signals).await
}

/// A worker that is up.
struct Host {
    arguments: Arguments,
    plugin: Plugin,
    metrics: Option<Arc<Metrics>>,
    plane: Plane,
    backend: Backend,
    served: Arc<Served>,
    /// The LoRA adapters, where the operator enabled them.
    adapters: Option<Arc<Adapters>>,
    /// Endpoints beside it, for the plugin's own routes.
    routes: Vec<Served>,
    handler: Arc<WorkerHandler>,
}

impl Host {
    async fn start(arguments: &Arguments) -> Result<Self, HostError> {
        let plugin = load(arguments).await?;
        let media = Media::open(&arguments.flags.media)?;
        let topology = topology::members(|name| std::env::var(name).ok()).await?;
        let place = Place::find()?;
        let setup = prepare(&plugin, arguments, &place).await?;
        // Dynamo before the engine: `/live` and `/health` answer while the engine loads.
        let plane = Plane::connect(plane_config(arguments)).await?;
        let backend = Backend::start(setup, arguments, place)?;
        backend.ready().await?;

        let metrics = collect_metrics(&plugin, &plane);
        let adapters = Adapters::if_enabled();
        plugin.connect(Hooks {
            adapters: adapters.clone().map(|adapters| adapters as Arc<_>),
            engine: Some(Arc::new(Control(backend.client()))),
            metrics: metrics.clone().map(|metrics| metrics as Arc<_>),
            peers: Some(Arc::new(Peers::new(plane.peers(), arguments.namespace().to_owned()))),
            media: Some(Arc::new(media)),
        });
        let configured = configure(&plugin, &backend, arguments).await?;
        let worker = warm_worker(&plugin, &configured, &backend, adapters.as_deref()).await?;
        let handler = Arc::new(WorkerHandler::new(worker));

        let mut card = registration::card(&configured.registration, arguments)
            .map_err(|failure| plugin_failed(&plugin, "configure", failure))?;
        card.runtime_config.extend(topology);
        let model = card.display_name.clone();
        let endpoint = arguments.endpoint(&configured.registration.component);
        if let Some(metrics) = &metrics {
            metrics.place(plane.labels(&endpoint, &model));
        }
        let options = ServeOptions {
            health_payload: Some(health_payload(&plugin, &configured, arguments)?),
            labels: vec![("model".to_owned(), model.clone())],
        };
        let served = Arc::new(plane.serve(endpoint, handler.clone(), options).await?);
        if let Some(adapters) = &adapters {
            adapters.attach(served.clone());
        }
        probe(&served, &plugin, arguments).await?;
        let routes = routes::serve(&plane, &plugin, &handler, served.id()).await?;
        // The card comes last: it is what makes frontends send requests.
        served.publish_card(tokio::task::spawn_blocking(move || card.build()).await??).await?;
        plane.set_ready(true);
        tracing::info!(endpoint = %served.id(), model, "serving {model} on {}", served.id());
        Ok(Host {
            arguments: arguments.clone(),
            plugin,
            metrics,
            plane,
            backend,
            served,
            adapters,
            routes,
            handler,
        })
    }

    /// Serves until a signal, through deaths of the engine.
    async fn serve(self, signals: &mut Signals) -> Result<(), HostError> {
        tokio::select! {
            signal = signals.next() => tracing::info!("{signal}: shutting down"),
            () = self.plane.lost() => return Err(HostError::Lost),
            () = self.follow_engine() => {}
        }
        let patience = Patience {
            grace: self.arguments.flags.runtime.grace_period,
            drain: self.arguments.flags.runtime.drain_timeout,
            engine: self.arguments.flags.engine.engine_stop_timeout,
        };
        tokio::select! {
            () = shutdown::drain(&self.plane, &self.served, &self.routes, &self.handler, &self.backend, patience) => {}
            () = shutdown::exit_at_next(signals, || self.remove_files()) => {}
        }
        tracing::info!("shut down");
        Ok(())
    }

    fn remove_files(&self) {
        self.arguments.remove_files();
        self.backend.remove_files();
    }

    /// Leaves discovery when the engine is gone, comes back with it. Ends with the engine's
    /// supervisor; never where there is no engine.
    async fn follow_engine(&self) {
        let Some(mut state) = self.backend.state() else { return pending().await };
        let mut serving = true;
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Ready { generation } if !serving => {
                    if let Some(metrics) = &self.metrics {
                        metrics.engine_restarts.inc();
                    }
                    match self.return_to_service().await {
                        Ok(()) => {
                            serving = true;
                            tracing::info!(generation, "the engine is back; serving again");
                        }
                        Err(error) => {
                            tracing::error!("the engine is back, the worker is not yet: {error}");
                            tokio::time::sleep(RETRY).await;
                            continue;
                        }
                    }
                }
                State::Down { why } if serving => {
                    serving = false;
                    tracing::error!(
                        "the engine is down: {why}; leaving discovery until it is back"
                    );
                    self.plane.set_ready(false);
                    if let Err(error) = self.served.withdraw().await {
                        tracing::warn!("could not leave discovery: {error}");
                    }
                    if let Some(adapters) = &self.adapters {
                        adapters.forget().await;
                    }
                }
                _ => {}
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    async fn return_to_service(&self) -> Result<(), HostError> {
        let configured = configure(&self.plugin, &self.backend, &self.arguments).await?;
        let adapters = self.adapters.as_deref();
        self.handler
            .replace(warm_worker(&self.plugin, &configured, &self.backend, adapters).await?);
        probe(&self.served, &self.plugin, &self.arguments).await?;
        self.served.rejoin().await?;
        self.plane.set_ready(true);
        Ok(())
    }
}

async fn load(arguments: &Arguments) -> Result<Plugin, HostError> {
    if let Some(model_path) = &arguments.model_path {
        model::check(model_path)?;
    }
    let flags = &arguments.flags.plugin;
    let path = locate::plugin(&arguments.plugin)?;
    let limits =
        Limits { call: Duration::from_millis(flags.plugin_timeout_ms), ..Limits::default() };
    let runtime = Runtime::new(limits)?;
    let grants = Grants::only(flags.plugin_grants.iter().copied());
    Ok(Plugin::load(&runtime, &path, &grants).await?)
}

async fn prepare(
    plugin: &Plugin,
    arguments: &Arguments,
    place: &Place,
) -> Result<Option<Setup>, HostError> {
    let mut words = arguments.engine_arguments.clone();
    if arguments.needs_bootstrap_port {
        // SGLang's own is a fixed one, and two prefill workers on a machine would both take it.
        words.extend(["--disaggregation-bootstrap-port".to_owned(), free_port()?.to_string()]);
    }
    let start = Start {
        settings: arguments.settings().to_string().into_bytes(),
        model_path: arguments.model_path.clone(),
        served_name: arguments.served_names.first().cloned(),
        arguments: words,
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: place.port,
        scratch: place.scratch()?,
    };
    plugin.prepare(start).await.map_err(|failure| plugin_failed(plugin, "prepare", failure))
}

/// A worker without numbers still serves.
fn collect_metrics(plugin: &Plugin, plane: &Plane) -> Option<Arc<Metrics>> {
    let metrics = Metrics::new(plugin.manifest(), plugin.digest())
        .inspect_err(|error| tracing::error!("no metrics of the host's own: {error}"))
        .ok()?;
    let shown = metrics.clone();
    plane.append_metrics(move || shown.text());
    Some(metrics)
}

async fn configure(
    plugin: &Plugin,
    backend: &Backend,
    arguments: &Arguments,
) -> Result<Configured, HostError> {
    let settings = arguments.settings().to_string().into_bytes();
    plugin
        .configure(&settings, backend.report(arguments).await)
        .await
        .map_err(|failure| plugin_failed(plugin, "configure", failure))
}

/// The operator's health check, or else the plugin's.
fn health_payload(
    plugin: &Plugin,
    configured: &Configured,
    arguments: &Arguments,
) -> Result<Value, HostError> {
    let own = serde_json::from_slice(&configured.health_check).map_err(|error| {
        plugin_failed(plugin, "configure", Failure::internal(format!("health check: {error}")))
    })?;
    Ok(health_check::choose(arguments.health_check.as_ref(), own))
}

/// Sends the health check through plugin and engine. The first request an engine gets may take it
/// minutes: it has as long as a start may take.
async fn probe(served: &Served, plugin: &Plugin, arguments: &Arguments) -> Result<(), HostError> {
    tracing::info!("checking plugin and engine with a request");
    let answered = match arguments.flags.engine.engine_start_timeout {
        None => served.probe().await,
        Some(limit) => tokio::time::timeout(limit, served.probe()).await.unwrap_or_else(|_| {
            let waited = format!("no answer in {} s (--engine-start-timeout)", limit.as_secs_f64());
            Err(Failure::new(Kind::DeadlineExceeded, waited))
        }),
    };
    answered.map_err(|failure| HostError::HealthCheck {
        plugin: plugin.manifest().name.clone(),
        failure,
    })
}

/// A worker whose engine has answered the plugin's warm-up.
async fn warm_worker(
    plugin: &Plugin,
    configured: &Configured,
    backend: &Backend,
    adapters: Option<&Adapters>,
) -> Result<Worker<Option<Client>>, HostError> {
    let state = configured.state.clone();
    let worker = Worker::new(plugin.clone(), state, backend.client(), SystemFresh)
        .with_adapters(adapters.map(Adapters::names).unwrap_or_default())
        .with_concurrency(configured.registration.concurrency);
    warm_up::run(&worker, configured.warm_up.clone())
        .await
        .map_err(|failure| plugin_failed(plugin, "warm-up", failure))?;
    Ok(worker)
}

fn plugin_failed(plugin: &Plugin, during: &'static str, failure: Failure) -> HostError {
    HostError::Plugin { plugin: plugin.manifest().name.clone(), during, failure }
}

fn plane_config(arguments: &Arguments) -> PlaneConfig {
    let runtime = &arguments.flags.runtime;
    let event_plane = runtime.event_plane.unwrap_or(match runtime.discovery_backend {
        Discovery::File(_) | Discovery::Mem => EventPlane::Zmq,
        Discovery::Etcd | Discovery::Kubernetes => EventPlane::Nats,
    });
    PlaneConfig {
        discovery: runtime.discovery_backend.clone(),
        request_plane: runtime.request_plane,
        event_plane,
    }
}
