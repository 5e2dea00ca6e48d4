//! One version of a plugin at work: its code, and what it made of the engine that runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use dynamo_host_engine::Client;
use dynamo_host_plugin::{Artifact, Contact, Failure, Plugin, Registration, Route};
use dynamo_host_request::{SystemFresh, Worker};
use serde_json::Value;

use crate::adapters::Adapters;
use crate::cli::health_check;
use crate::error::HostError;
use crate::routes::last_of_each;
use crate::site::{Site, plugin_failed};
use crate::swap::Tally;
use crate::warm_up;

/// A plugin, configured. A request keeps the version it began with; the code is freed with the last
/// of them.
pub struct Version {
    plugin: Plugin,
    artifact: Artifact,
    contact: Option<Contact>,
    registration: Registration,
    routes: Vec<Route>,
    health_check: Value,
    warm_up: Vec<Vec<u8>>,
    worker: Worker<Option<Client>>,
    /// Which start of the engine it knows.
    generation: u64,
    since: Mutex<Option<SystemTime>>,
    in_flight: AtomicUsize,
    tally: Arc<Tally>,
}

impl Version {
    /// Configures `plugin`, whose imports are connected and which was loaded from `artifact`, for the
    /// engine that runs. `contact` is how it meets the engine.
    ///
    /// # Errors
    /// The plugin fails, or its health check is no JSON.
    pub async fn configure(
        site: &Site,
        plugin: Plugin,
        artifact: Artifact,
        contact: Option<Contact>,
    ) -> Result<Self, HostError> {
        let generation = site.generation();
        let arguments = &site.arguments;
        let settings = arguments.settings().to_string().into_bytes();
        let failed = |failure| plugin_failed(&plugin, "configure", failure);
        let report = site.backend.report(contact.as_ref(), arguments).await;
        let configured = plugin.configure(&settings, report).await.map_err(failed)?;
        let own = serde_json::from_slice(&configured.health_check)
            .map_err(|error| failed(Failure::internal(format!("health check: {error}"))))?;
        let routes = plugin.routes(&configured.state).await;
        let routes = routes.map_err(|failure| plugin_failed(&plugin, "list-routes", failure))?;
        let adapters = site.adapters.as_deref().map(Adapters::names).unwrap_or_default();
        let worker =
            Worker::new(plugin.clone(), configured.state, site.backend.client(), SystemFresh)
                .with_adapters(adapters)
                .with_concurrency(configured.registration.concurrency);
        Ok(Version {
            artifact,
            contact,
            registration: configured.registration,
            routes: last_of_each(routes),
            // The operator's, or else the plugin's.
            health_check: health_check::choose(arguments.health_check.as_ref(), own),
            warm_up: configured.warm_up,
            worker,
            generation,
            since: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            tally: Arc::default(),
            plugin,
        })
    }

    /// The same code, configured anew: after the engine was restarted, and so has reported anew. What
    /// was counted of it goes on.
    ///
    /// # Errors
    /// As [`Version::configure`].
    pub async fn anew(&self, site: &Site) -> Result<Self, HostError> {
        let (plugin, artifact) = (self.plugin.clone(), self.artifact.clone());
        let mut version = Version::configure(site, plugin, artifact, self.contact.clone()).await?;
        version.tally = self.tally.clone();
        Ok(version)
    }

    /// The version as it follows `before`, which may still be at work: they share what places the
    /// engine has.
    pub fn after(mut self, before: &Version) -> Self {
        self.worker.succeed(&before.worker);
        self
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

    /// What the code was loaded from.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// Which start of the engine it was configured for.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The routes of the plugin's own.
    pub fn routes(&self) -> &[Route] {
        &self.routes
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

    /// Since when it serves; none if it never has.
    pub fn since(&self) -> Option<SystemTime> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests of clients it is answering.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The requests it has answered.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Notes that requests come to it from now on.
    pub(crate) fn begin(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
    }

    /// Notes that a client's request has come.
    pub(crate) fn take_off(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a client's request has ended, and whether by the plugin's failure.
    pub(crate) fn land(&self, failed: bool) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.tally.count(failed);
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        if self.since().is_some() {
            let manifest = self.plugin.manifest();
            tracing::debug!(
                plugin = manifest.name,
                digest = self.plugin.digest(),
                "nothing is left of {} {}",
                manifest.name,
                manifest.version
            );
        }
    }
}
