//! One version of a plugin at work: its code, and what it made of the engine that runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use dynamo_host_engine::Client;
use dynamo_host_plugin::{Contact, Failure, Plugin, Registration};
use dynamo_host_request::{SystemFresh, Worker};
use serde_json::Value;

use crate::adapters::Adapters;
use crate::cli::health_check;
use crate::error::HostError;
use crate::site::{Site, plugin_failed};
use crate::warm_up;

/// A plugin, configured. A request keeps the version it began with; the code is freed with the last
/// of them.
pub struct Version {
    plugin: Plugin,
    contact: Option<Contact>,
    registration: Registration,
    health_check: Value,
    warm_up: Vec<Vec<u8>>,
    worker: Worker<Option<Client>>,
    in_flight: AtomicUsize,
}

impl Version {
    /// Configures `plugin`, whose imports are connected, for the engine that runs. `contact` is how
    /// it meets the engine.
    ///
    /// # Errors
    /// The plugin fails, or its health check is no JSON.
    pub async fn configure(
        site: &Site,
        plugin: Plugin,
        contact: Option<Contact>,
    ) -> Result<Self, HostError> {
        let arguments = &site.arguments;
        let settings = arguments.settings().to_string().into_bytes();
        let failed = |failure| plugin_failed(&plugin, "configure", failure);
        let report = site.backend.report(contact.as_ref(), arguments).await;
        let configured = plugin.configure(&settings, report).await.map_err(failed)?;
        let own = serde_json::from_slice(&configured.health_check)
            .map_err(|error| failed(Failure::internal(format!("health check: {error}"))))?;
        let adapters = site.adapters.as_deref().map(Adapters::names).unwrap_or_default();
        let worker =
            Worker::new(plugin.clone(), configured.state, site.backend.client(), SystemFresh)
                .with_adapters(adapters)
                .with_concurrency(configured.registration.concurrency);
        Ok(Version {
            contact,
            registration: configured.registration,
            // The operator's, or else the plugin's.
            health_check: health_check::choose(arguments.health_check.as_ref(), own),
            warm_up: configured.warm_up,
            worker,
            in_flight: AtomicUsize::new(0),
            plugin,
        })
    }

    /// The same code, configured anew: after the engine was restarted, and so has reported anew.
    ///
    /// # Errors
    /// As [`Version::configure`].
    pub async fn anew(&self, site: &Site) -> Result<Self, HostError> {
        Version::configure(site, self.plugin.clone(), self.contact.clone()).await
    }

    /// Has the engine answer the plugin's warm-up.
    ///
    /// # Errors
    /// What a request of the warm-up failed with.
    pub async fn warm_up(&self) -> Result<(), HostError> {
        let warmed = warm_up::run(&self.worker, self.warm_up.clone()).await;
        warmed.map_err(|failure| plugin_failed(&self.plugin, "warm-up", failure))
    }

    /// How it meets the engine.
    pub fn contact(&self) -> Option<&Contact> {
        self.contact.as_ref()
    }

    /// The code.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// How it stands in discovery.
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// The request that shows whether it works.
    pub fn health_check(&self) -> &Value {
        &self.health_check
    }

    /// What answers requests.
    pub fn worker(&self) -> &Worker<Option<Client>> {
        &self.worker
    }

    /// How many requests of clients it is answering.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, more: bool) {
        match more {
            true => self.in_flight.fetch_add(1, Ordering::Relaxed),
            false => self.in_flight.fetch_sub(1, Ordering::Relaxed),
        };
    }
}
