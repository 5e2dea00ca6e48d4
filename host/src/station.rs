//! One plugin's station in Dynamo: its endpoint, its model card and its routes.

use std::iter;
use std::sync::Arc;

use dynamo_host_plane::{ServeOptions, Served};
use dynamo_host_plugin::{Contact, Failure, Kind, Plugin};

use crate::error::HostError;
use crate::handler::WorkerHandler;
use crate::metrics::EngineMetrics;
use crate::site::{Site, plugin_failed};
use crate::version::Version;
use crate::{registration, routes};

/// A plugin that serves.
pub struct Station {
    site: Arc<Site>,
    handler: Arc<WorkerHandler>,
    served: Arc<Served>,
    /// Endpoints beside it, for the plugin's own routes.
    routes: Vec<Served>,
}

impl Station {
    /// Configures `plugin`, opens its endpoint and sees a health check through. `position` is its
    /// place on the command line, `contact` how it meets the engine. Nobody sends requests before
    /// [`Station::list`].
    ///
    /// # Errors
    /// The plugin or the engine fails, or Dynamo does not take the endpoint.
    pub async fn open(
        site: &Arc<Site>,
        position: usize,
        plugin: Plugin,
        contact: Option<Contact>,
    ) -> Result<Self, HostError> {
        let manifest = plugin.manifest();
        let recorded = site.metrics.as_ref().map(|metrics| metrics.of_plugin(&manifest.name));
        plugin.connect(site.hooks(recorded.as_ref().map(|it| it.recorders(manifest))));
        let version = Version::configure(site, plugin.clone(), contact).await?;
        version.warm_up().await?;

        let endpoint = site.arguments.endpoint(position, &version.registration().component);
        site.claim(&endpoint, &plugin)?;
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
        };
        let handler = Arc::new(WorkerHandler::new(version, site));
        let served = Arc::new(site.plane.serve(endpoint, handler.clone(), options).await?);
        site.service.attach(served.clone());
        if let Some(adapters) = site.adapters.as_ref().filter(|_| position == 0) {
            adapters.attach(served.clone());
        }
        let mut station = Station { site: site.clone(), handler, served, routes: Vec::new() };
        station.probe().await?;
        station.routes = routes::serve(site, &station.handler, station.served.id()).await?;
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
        let model = card.display_name.clone();
        self.served.publish_card(tokio::task::spawn_blocking(move || card.build()).await??).await?;
        let endpoint = self.served.id();
        tracing::info!(%endpoint, model, "serving {model} on {endpoint}");
        Ok(())
    }

    /// Gets ready for an engine that was started again: configured, warmed up and checked anew.
    /// [`Service`](crate::service::Service) brings it back into discovery.
    ///
    /// # Errors
    /// The plugin or the engine fails.
    pub async fn begin_anew(&self) -> Result<(), HostError> {
        let version = self.handler.current().anew(&self.site).await?;
        version.warm_up().await?;
        self.handler.replace(Arc::new(version));
        self.probe().await
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
    pub fn endpoints(&self) -> impl Iterator<Item = &Served> {
        iter::once(&*self.served).chain(&self.routes)
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
        let plugin = self.handler.current().plugin().manifest().name.clone();
        answered.map_err(|failure| HostError::HealthCheck { plugin, failure })
    }
}

/// What the engine counts is part of what we show, where Dynamo's SGLang backend has it.
fn show_engine(site: &Site, contact: Option<&Contact>, labels: Vec<(String, String)>) {
    let Some(metrics) = &site.metrics else { return };
    metrics.place(labels.clone());
    let exposition = contact.and_then(|contact| contact.metrics.clone());
    let Some((client, exposition)) = site.backend.client().zip(exposition) else { return };
    let failures = metrics.engine_scrape_failures.clone();
    let numbers = EngineMetrics::new(client, exposition, failures, labels);
    site.plane.append_metrics(move || numbers.text());
}
