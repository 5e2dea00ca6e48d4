//! The life of a worker.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dynamo_host_engine::State;
use dynamo_host_plugin::{Artifact, Limits, Plugin, Runtime};
use futures::future::select_all;
use tokio::sync::watch;

use crate::cli::Arguments;
use crate::error::HostError;
use crate::service::Absence;
use crate::shutdown::{self, Departure, Patience, Signals};
use crate::site::Site;
use crate::station::Station;
use crate::{locate, model};

/// Between attempts to bring a worker back whose engine is back.
const RETRY: Duration = Duration::from_secs(2);

/// After how many health checks in a row that failed an engine counts as hung: one may be lost to a
/// long step.
const HUNG_AFTER: u32 = 2;

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

/// A worker that is up: plugins that serve, in front of one engine.
struct Host {
    site: Arc<Site>,
    stations: Vec<Station>,
}

impl Host {
    async fn start(arguments: &Arguments) -> Result<Self, HostError> {
        let plugins = load(arguments).await?;
        let (site, contacts) = Site::prepare(arguments, &plugins).await?;
        let mut stations = Vec::with_capacity(plugins.len());
        for (position, (plugin, contact)) in plugins.into_iter().zip(contacts).enumerate() {
            stations.push(Station::open(&site, position, plugin, contact).await?);
        }
        // Cards come last: they are what makes frontends send requests.
        for station in &stations {
            station.list().await?;
        }
        site.plane.set_ready(true);
        Ok(Host { site, stations })
    }

    /// Serves until a signal, through deaths of the engine.
    async fn serve(self, signals: &mut Signals) -> Result<(), HostError> {
        tokio::select! {
            signal = signals.next() => tracing::info!("{signal}: shutting down"),
            () = self.site.plane.lost() => return Err(HostError::Lost),
            () = self.follow_engine() => {}
            () = self.follow_health_checks() => {}
        }
        let flags = &self.site.arguments.flags;
        let patience = Patience {
            grace: flags.runtime.grace_period,
            drain: flags.runtime.drain_timeout,
            engine: flags.engine.engine_stop_timeout,
        };
        let departure = Departure { site: &self.site, stations: &self.stations };
        tokio::select! {
            () = shutdown::leave(&departure, patience) => {}
            () = shutdown::exit_at_next(signals, || self.site.remove_files()) => {}
        }
        tracing::info!("shut down");
        Ok(())
    }

    /// Leaves discovery when the engine is gone, comes back with it. Ends with the engine's
    /// supervisor; never where there is no engine.
    async fn follow_engine(&self) {
        let Some(mut state) = self.site.backend.state() else { return pending().await };
        let mut serving = true;
        let mut down_since = Instant::now();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Ready { generation } if !serving => {
                    if let Some(metrics) = &self.site.metrics {
                        metrics.engine_restarts.inc();
                        if self.site.backend.is_ours() {
                            metrics.engine_loaded(down_since.elapsed());
                        }
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
                    down_since = Instant::now();
                    tracing::error!(
                        "the engine is down: {why}; leaving discovery until it is back"
                    );
                    self.site.service.lose(Absence::NoEngine).await;
                    if let Some(adapters) = &self.site.adapters {
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
        for station in &self.stations {
            station.begin_anew().await?;
        }
        self.site.service.regain(Absence::NoEngine).await?;
        Ok(())
    }

    /// Leaves discovery when health checks say that the engine hangs, comes back when they pass. They
    /// go on meanwhile: an engine that was stopped goes on where it was.
    async fn follow_health_checks(&self) {
        let service = &self.site.service;
        let mut checks: Vec<watch::Receiver<u32>> =
            self.stations.iter().map(|station| station.served().failed_checks()).collect();
        loop {
            let failed = checks.iter_mut().map(|failed| *failed.borrow_and_update());
            let failed = failed.max().unwrap_or_default();
            let lost = service.is_lost(Absence::Hung).await;
            if failed >= HUNG_AFTER && !lost {
                tracing::error!("{failed} health checks in a row have failed; leaving discovery");
                service.lose(Absence::Hung).await;
            } else if failed == 0 && lost {
                if let Err(error) = service.regain(Absence::Hung).await {
                    tracing::error!("the engine answers again, the worker is not back: {error}");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                tracing::info!("the engine answers again; serving again");
            }
            let changes = checks.iter_mut().map(|failed| Box::pin(failed.changed()));
            // There is a station, and it lives as long as we.
            let _ = select_all(changes).await;
        }
    }
}

async fn load(arguments: &Arguments) -> Result<Vec<Plugin>, HostError> {
    if let Some(model_path) = &arguments.model_path {
        model::check(model_path)?;
    }
    let flags = &arguments.flags.plugin;
    let limits =
        Limits { call: Duration::from_millis(flags.plugin_timeout_ms), ..Limits::default() };
    let runtime = Runtime::new(limits)?;
    let mut plugins: Vec<Plugin> = Vec::with_capacity(arguments.plugins.len());
    for name in &arguments.plugins {
        let artifact = Artifact::read(&locate::plugin(name)?).await?;
        let plugin = Plugin::load(&runtime, &artifact, &flags.grants(name)).await?;
        let name = &plugin.manifest().name;
        if plugins.iter().any(|other| other.manifest().name == *name) {
            return Err(HostError::SamePlugin { plugin: name.clone() });
        }
        plugins.push(plugin);
    }
    Ok(plugins)
}
