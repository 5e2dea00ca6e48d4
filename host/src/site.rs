//! What all plugins of a host share: the engine, the connection to Dynamo, and the ways out.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Instant;

use dynamo_host_plane::{Discovery, EventPlane, Plane, PlaneConfig, RouteToken};
use dynamo_host_plugin::{Contact, Failure, Hooks, Plugin, Setup, Start};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::adapters::Adapters;
use crate::backend::{Backend, Place, free_port};
use crate::cli::Arguments;
use crate::control::Control;
use crate::error::HostError;
use crate::media::{Media, PluginMedia};
use crate::metrics::{Metrics, Recorders};
use crate::peers::Peers;
use crate::service::Service;
use crate::{follower, kv, taints, topology};

/// One engine, one place in Dynamo, and whatever else a plugin works with.
pub struct Site {
    /// What the operator asked for.
    pub arguments: Arguments,
    /// The connection to Dynamo.
    pub plane: Plane,
    /// The engine.
    pub backend: Backend,
    /// The LoRA adapters, where the operator enabled them. They are the first plugin's.
    pub adapters: Option<Arc<Adapters>>,
    /// Without numbers a worker still serves.
    pub metrics: Option<Arc<Metrics>>,
    /// Whether the worker is in discovery.
    pub service: Arc<Service>,
    /// Held while a route runs: what two of them do to an engine at once is nobody's intention.
    pub route_turn: Mutex<()>,
    /// How often the engine was started again.
    generation: AtomicU64,
    /// Which plugin has which endpoint or route.
    places: StdMutex<HashMap<String, String>>,
    topology: Map<String, Value>,
    /// The layout of an engine that another node leads; none where clients' requests come here.
    pub follows: Option<Map<String, Value>>,
    media: Arc<Media>,
    start: Start,
}

impl Site {
    /// Joins Dynamo and starts the engine as the first of `plugins` says. Returns the site, with an
    /// engine that is ready, and how each plugin meets it.
    ///
    /// # Errors
    /// A plugin cannot prepare, Dynamo cannot be joined, or the engine does not come up.
    pub async fn prepare(
        arguments: &Arguments,
        plugins: &[Plugin],
    ) -> Result<(Arc<Self>, Vec<Option<Contact>>), HostError> {
        let media = Arc::new(Media::open(&arguments.flags.media)?);
        let topology = topology::members(|name| std::env::var(name).ok()).await?;
        let place = Place::find()?;
        let start = start(arguments, &place)?;
        let mut setups = Vec::with_capacity(plugins.len());
        for plugin in plugins {
            setups.push(ask_setup(plugin, &start).await?);
        }
        if let (Some(None), Some(wants)) = (setups.first(), setups.iter().position(Option::is_some))
        {
            let name = |at: usize| plugins[at].manifest().name.clone();
            return Err(HostError::EngineOfAnother { plugin: name(wants), first: name(0) });
        }
        let contacts = setups.iter().map(|setup| Some(setup.as_ref()?.contact.clone())).collect();
        // Dynamo before the engine: `/live` and `/health` answer while the engine loads.
        let plane = Plane::connect(plane_config(arguments)?).await?;
        let mut first = setups.into_iter().next().flatten();
        if let Some(setup) = &mut first {
            kv::arrange_forward_pass(setup, plane.instance_id(), &place.scratch()?);
        }
        let follows = first.as_ref().and_then(|setup| follower::layout(&setup.arguments));
        let began = Instant::now();
        let backend = Backend::start(first, arguments, place)?;
        backend.ready().await?;
        let took = began.elapsed();
        let metrics = collect_metrics(&plane);
        if let Some(metrics) = &metrics
            && backend.is_ours()
        {
            metrics.engine_loaded(took);
        }
        let patience = arguments.flags.runtime.drain_timeout;
        let service = Arc::new(Service::new(plane.clone(), patience));
        plane.register_report(Service::ROUTE, service.route());
        plane.register_route(taints::ROUTE, taints::route(service.clone()));
        let site = Site {
            arguments: arguments.clone(),
            plane,
            backend,
            adapters: Adapters::if_enabled(),
            metrics,
            service,
            route_turn: Mutex::default(),
            generation: AtomicU64::new(0),
            places: StdMutex::default(),
            topology,
            follows,
            media,
            start,
        };
        Ok((Arc::new(site), contacts))
    }

    /// How `plugin` meets the engine; none if it needs none.
    ///
    /// # Errors
    /// The plugin cannot say.
    pub async fn contact(&self, plugin: &Plugin) -> Result<Option<Contact>, HostError> {
        Ok(ask_setup(plugin, &self.start).await?.map(|setup| setup.contact))
    }

    /// Gives an endpoint or a route to a plugin, unless it has it already.
    ///
    /// # Errors
    /// Another plugin has it: its name.
    pub fn claim(&self, place: &str, plugin: &Plugin) -> Result<(), String> {
        let name = &plugin.manifest().name;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = places.entry(place.to_owned()).or_insert_with(|| name.clone());
        if owner == name { Ok(()) } else { Err(owner.clone()) }
    }

    /// Which start of the engine this is.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The engine was started again: whatever was configured for it before is out of date.
    pub fn begin_generation(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Where a plugin's imports lead.
    pub fn hooks(&self, recorders: Option<Recorders>) -> Hooks {
        let namespace = self.arguments.namespace().to_owned();
        let denials = recorders.as_ref().map(Recorders::denials).unwrap_or_default();
        let media = PluginMedia::new(self.media.clone(), denials.clone());
        Hooks {
            adapters: self.adapters.clone().map(|adapters| adapters as Arc<_>),
            engine: Some(Arc::new(Control(self.backend.client()))),
            metrics: recorders.map(|recorders| Arc::new(recorders) as Arc<_>),
            peers: Some(Arc::new(Peers::new(self.plane.peers(), namespace, denials))),
            media: Some(Arc::new(media)),
            service: Some(self.service.clone()),
        }
    }

    /// Where in the machine room the worker is, as members of a card's `runtime_config`.
    pub fn topology(&self) -> Map<String, Value> {
        self.topology.clone()
    }

    /// Removes files, before an exit that drops nothing.
    pub fn remove_files(&self) {
        self.arguments.remove_files();
        self.backend.remove_files();
    }
}

/// What a plugin failed in, as the reason for which the host ends.
pub fn plugin_failed(plugin: &Plugin, during: &'static str, failure: Failure) -> HostError {
    HostError::Plugin { plugin: plugin.manifest().name.clone(), during, failure }
}

fn start(arguments: &Arguments, place: &Place) -> Result<Start, HostError> {
    let mut words = arguments.engine_arguments.clone();
    if arguments.needs_bootstrap_port {
        // SGLang's own is a fixed one, and two prefill workers on a machine would both take it.
        words.extend(["--disaggregation-bootstrap-port".to_owned(), free_port()?.to_string()]);
    }
    kv::arrange_kv_events(&mut words);
    Ok(Start {
        settings: arguments.settings().to_string().into_bytes(),
        model_path: arguments.model_path.clone(),
        served_name: arguments.served_names.first().cloned(),
        arguments: words,
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: place.port,
        scratch: place.scratch()?,
    })
}

async fn ask_setup(plugin: &Plugin, start: &Start) -> Result<Option<Setup>, HostError> {
    let prepared = plugin.prepare(start.clone()).await;
    prepared.map_err(|failure| plugin_failed(plugin, "prepare", failure))
}

fn collect_metrics(plane: &Plane) -> Option<Arc<Metrics>> {
    let metrics = Metrics::new()
        .inspect_err(|error| tracing::error!("no metrics of the host's own: {error}"))
        .ok()?;
    let shown = metrics.clone();
    plane.append_metrics(move || shown.text());
    Some(metrics)
}

fn plane_config(arguments: &Arguments) -> Result<PlaneConfig, HostError> {
    let runtime = &arguments.flags.runtime;
    let event_plane = runtime.event_plane.unwrap_or(match runtime.discovery_backend {
        Discovery::File(_) | Discovery::Mem => EventPlane::Zmq,
        Discovery::Etcd | Discovery::Kubernetes => EventPlane::Nats,
    });
    let route_token = match &runtime.route_token_file {
        None => None,
        Some(path) => Some(RouteToken::new(&read_token(path)?)),
    };
    Ok(PlaneConfig {
        discovery: runtime.discovery_backend.clone(),
        request_plane: runtime.request_plane,
        event_plane,
        route_token,
    })
}

fn read_token(path: &Path) -> Result<String, HostError> {
    let unreadable = |source| HostError::RouteToken { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    match text.trim() {
        "" => Err(unreadable(std::io::Error::other("it is empty"))),
        token => Ok(token.to_owned()),
    }
}
