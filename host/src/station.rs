//! One plugin's station in Dynamo: its endpoint, its model card and its routes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dynamo_host_plane::{ServeOptions, Served};
use dynamo_host_plugin::{Artifact, Contact, Failure, Kind, Plugin};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};

use crate::error::HostError;
use crate::handler::WorkerHandler;
use crate::kv::{Facts, KvRelay};
use crate::metrics::{EngineMetrics, Recorded};
use crate::routes::Routes;
use crate::site::{Site, plugin_failed};
use crate::version::Version;
use crate::{kv, registration};

/// A plugin that serves.
pub struct Station {
    site: Arc<Site>,
    handler: Arc<WorkerHandler>,
    served: Arc<Served>,
    routes: Routes,
    recorded: Option<Arc<Recorded>>,
    /// Whether the engine is there and the station in discovery.
    serving: watch::Sender<bool>,
    /// Held while another version takes over, or the same one is configured anew.
    turn: Mutex<()>,
    /// What routers hear of the engine's KV cache, until we leave.
    kv: Mutex<Option<KvRelay>>,
}

impl Station {
    /// Configures `plugin`, which was loaded from `artifact`, opens its endpoint and sees a health
    /// check through. `position` is its place on the command line, `contact` how it meets the engine.
    /// Nobody sends requests before [`Station::list`].
    ///
    /// # Errors
    /// The plugin or the engine fails, or Dynamo does not take the endpoint.
    pub async fn open(
        site: &Arc<Site>,
        position: usize,
        (plugin, artifact): (Plugin, Artifact),
        contact: Option<Contact>,
    ) -> Result<Self, HostError> {
        let manifest = plugin.manifest();
        let recorded = site.metrics.as_ref().map(|metrics| metrics.of_plugin(&manifest.name));
        plugin.connect(site.hooks(recorded.as_ref().map(|it| it.recorders(manifest))));
        let version = Version::configure(site, plugin.clone(), artifact, contact).await?;
        version.warm_up().await?;

        let endpoint = site.arguments.endpoint(position, &version.registration().component);
        site.claim(&endpoint.to_string(), &plugin).map_err(|first| HostError::SameEndpoint {
            first,
            second: plugin.manifest().name.clone(),
            endpoint: endpoint.clone(),
        })?;
        let model = registration::model(&site.arguments);
        let labels = site.plane.labels(&endpoint, &model);
        if let Some(recorded) = &recorded {
            recorded.place(labels.clone());
        }
        // The engine is the first plugin's.
        if position == 0 {
            show_engine(site, version.contact(), labels);
        }
        if let Some(metrics) = &site.metrics {
            metrics.serves(plugin.manifest(), plugin.digest());
        }
        let options = ServeOptions {
            health_payload: Some(version.health_check().clone()),
            labels: vec![("model".to_owned(), model)],
            ..ServeOptions::default()
        };
        let handler = Arc::new(WorkerHandler::new(version, site));
        let served = Arc::new(site.plane.serve(endpoint, handler.clone(), options).await?);
        site.service.attach(served.clone());
        if let Some(adapters) = site.adapters.as_ref().filter(|_| position == 0) {
            adapters.attach(served.clone());
        }
        let routes = Routes::new(site.clone(), handler.clone(), served.id().clone());
        let mut station = Station {
            site: site.clone(),
            handler,
            served,
            routes,
            recorded,
            serving: watch::Sender::new(false),
            turn: Mutex::default(),
            kv: Mutex::default(),
        };
        station.probe().await?;
        station.routes.follow().await?;
        // Routers that hear nothing still route.
        match station.relay_kv_events().await {
            Ok(kv) => station.kv = Mutex::new(kv),
            Err(error) => tracing::error!("nothing is said of the KV cache: {error}"),
        }
        Ok(station)
    }

    /// Publishes the model card: it is what makes frontends send requests.
    ///
    /// # Errors
    /// There is no card, or discovery does not take it.
    pub async fn list(&self) -> Result<(), HostError> {
        let version = self.handler.current();
        let mut card = registration::card(version.registration(), &self.site.arguments)
            .map_err(|failure| plugin_failed(version.plugin(), "configure", failure))?;
        card.runtime_config.extend(self.site.topology());
        kv_facts(version.plugin(), &mut card.runtime_config)?;
        let model = card.display_name.clone();
        self.served.publish_card(tokio::task::spawn_blocking(move || card.build()).await??).await?;
        self.serving.send_replace(true);
        let endpoint = self.served.id();
        tracing::info!(%endpoint, model, "serving {model} on {endpoint}");
        Ok(())
    }

    /// The engine is gone, until [`Station::begin_anew`].
    pub async fn lose_engine(&self) {
        self.serving.send_replace(false);
        if let Some(kv) = &*self.kv.lock().await {
            kv.engine_is_lost();
        }
    }

    /// Stands again on a plane that was renewed, as it stood before.
    ///
    /// # Errors
    /// Dynamo does not take the endpoints, or what routers hear of the KV cache.
    pub async fn renew(&self) -> Result<(), HostError> {
        for endpoint in self.routes.endpoints().await {
            endpoint.renew().await?;
            // Nothing to ask it: it is ready.
            endpoint.probe().await.map_err(|failure| self.unhealthy(failure))?;
        }
        if let Some(kv) = &*self.kv.lock().await {
            kv.renew().await?;
        }
        if self.served.renew().await? {
            self.probe().await?;
        }
        Ok(())
    }

    /// Tells routers nothing more of the KV cache.
    pub async fn stop_relay(&self) {
        if let Some(kv) = self.kv.lock().await.take() {
            kv.stop().await;
        }
    }

    async fn relay_kv_events(&self) -> Result<Option<KvRelay>, HostError> {
        let version = self.handler.current();
        let card = registration::card(version.registration(), &self.site.arguments);
        let mut card =
            card.map_err(|failure| plugin_failed(version.plugin(), "configure", failure))?;
        let facts = kv_facts(version.plugin(), &mut card.runtime_config)?;
        let Some(facts) = facts else { return Ok(None) };
        let site = &self.site;
        let metrics = site.metrics.as_deref();
        let (endpoint, client) = (self.served.id(), site.backend.client());
        let model = &card.display_name;
        Ok(Some(KvRelay::start(&site.plane, endpoint, model, facts, client, metrics).await?))
    }

    /// Gets ready for an engine that was started again: configured, warmed up and checked anew.
    /// [`Service`](crate::service::Service) brings it back into discovery.
    ///
    /// # Errors
    /// The plugin or the engine fails.
    pub async fn begin_anew(&self) -> Result<(), HostError> {
        let _turn = self.turn.lock().await;
        let version = self.handler.current().anew(&self.site).await?;
        version.warm_up().await?;
        self.handler.replace(Arc::new(version));
        if let Some(kv) = &*self.kv.lock().await {
            kv.engine_is_back();
        }
        self.probe().await?;
        self.serving.send_replace(true);
        Ok(())
    }

    /// Gives the requests that start from now on to `version`. Returns the one before it and how long
    /// the switch itself took; none if `version` knows an earlier start of the engine.
    pub async fn switch(&self, version: Arc<Version>) -> Option<(Arc<Version>, Duration)> {
        let _turn = self.turn.lock().await;
        if version.generation() != self.site.generation() {
            return None;
        }
        let began = Instant::now();
        let before = self.handler.replace(version.clone());
        let pause = began.elapsed();
        if let Some(metrics) = &self.site.metrics {
            let (old, new) = (before.plugin(), version.plugin());
            metrics.served(old.manifest(), old.digest());
            metrics.serves(new.manifest(), new.digest());
        }
        if let Err(error) = self.routes.follow().await {
            tracing::warn!("the routes are those of the version before: {error}");
        }
        Some((before, pause))
    }

    /// Whether the engine is there and requests come.
    pub fn is_serving(&self) -> bool {
        *self.serving.borrow()
    }

    /// Waits until requests come.
    pub async fn until_serving(&self) {
        // The sender lives in `self`, so that the wait itself cannot fail.
        let _ = self.serving.subscribe().wait_for(|serving| *serving).await;
    }

    /// Where the plugin's versions record.
    pub fn recorded(&self) -> Option<Arc<Recorded>> {
        self.recorded.clone()
    }

    /// What stands behind the endpoint.
    pub fn handler(&self) -> &WorkerHandler {
        &self.handler
    }

    /// The worker's endpoint.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// The worker's endpoint and those beside it.
    pub async fn endpoints(&self) -> Vec<Arc<Served>> {
        let mut endpoints = vec![self.served.clone()];
        endpoints.extend(self.routes.endpoints().await);
        endpoints
    }

    /// Sends the health check through plugin and engine. The first request an engine gets may take
    /// it minutes: it has as long as a start may take.
    async fn probe(&self) -> Result<(), HostError> {
        tracing::info!("checking plugin and engine with a request");
        let served = &self.served;
        let answered = match self.site.arguments.flags.engine.engine_start_timeout {
            None => served.probe().await,
            Some(limit) => tokio::time::timeout(limit, served.probe()).await.unwrap_or_else(|_| {
                let seconds = limit.as_secs_f64();
                let waited = format!("no answer in {seconds} s (--engine-start-timeout)");
                Err(Failure::new(Kind::DeadlineExceeded, waited))
            }),
        };
        answered.map_err(|failure| self.unhealthy(failure))
    }

    fn unhealthy(&self, failure: Failure) -> HostError {
        let plugin = self.handler.current().plugin().manifest().name.clone();
        HostError::HealthCheck { plugin, failure }
    }
}

/// Takes what is for us out of the `runtime_config` of a card, which `plugin` made.
///
/// # Errors
/// It is not what it should be: a defect of the plugin.
pub fn kv_facts(
    plugin: &Plugin,
    runtime_config: &mut Map<String, Value>,
) -> Result<Option<Facts>, HostError> {
    kv::place_mooncake(runtime_config);
    Facts::take(runtime_config).map_err(|error| {
        let failure = Failure::internal(format!("runtime_config, kv_events: {error}"));
        plugin_failed(plugin, "configure", failure)
    })
}

/// What the engine counts is part of what we show, where Dynamo's SGLang backend has it.
pub fn show_engine(site: &Site, contact: Option<&Contact>, labels: Vec<(String, String)>) {
    let Some(metrics) = &site.metrics else { return };
    metrics.place(labels.clone());
    let exposition = contact.and_then(|contact| contact.metrics.clone());
    let Some((client, exposition)) = site.backend.client().zip(exposition) else { return };
    let failures = metrics.engine_scrape_failures.clone();
    let numbers = EngineMetrics::new(client, exposition, failures, labels);
    site.plane.append_metrics(move || numbers.text());
}
