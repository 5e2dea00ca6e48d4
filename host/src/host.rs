//! The life of a worker.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dynamo_host_engine::State;
use dynamo_host_plugin::{Artifact, Plugin, Runtime};
use futures::future::select_all;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::Arguments;
use crate::error::HostError;
use crate::follower::Follower;
use crate::service::Absence;
use crate::shutdown::{self, Departure, Patience, Signals};
use crate::site::Site;
use crate::station::Station;
use crate::swap::desk::{Desk, Hangup};
use crate::swap::{Gate, Source, Swapper};
use crate::{loading, model};

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
    let hangup = Hangup::listen().map_err(HostError::Signals)?;
    let starting = Host::start(&arguments, hangup);
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
    stations: Vec<Arc<Station>>,
    /// Instead of stations, where another node leads the engine.
    follower: Option<Follower>,
    /// What gives the plugins their next versions, until the host leaves.
    swaps: JoinSet<()>,
}

impl Host {
    async fn start(arguments: &Arguments, hangup: Hangup) -> Result<Self, HostError> {
        if let Some(model_path) = &arguments.model_path {
            model::check(model_path)?;
        }
        let flags = &arguments.flags.plugin;
        let runtime = loading::runtime(flags)?;
        let Loaded { plugins, artifacts, sources } = load(arguments, &runtime).await?;
        let (site, contacts) = Site::prepare(arguments, &plugins).await?;
        if let Some(metrics) = &site.metrics {
            metrics.count_instances(&runtime);
        }
        if let (Some(layout), Some(plugin)) = (&site.follows, plugins.first()) {
            let contact = contacts.first().and_then(Option::as_ref);
            let follower = Follower::open(&site, plugin.clone(), contact, layout).await?;
            site.plane.set_ready(true);
            let (stations, swaps) = (Vec::new(), JoinSet::new());
            return Ok(Host { site, stations, follower: Some(follower), swaps });
        }
        let mut stations = Vec::with_capacity(plugins.len());
        let parts = plugins.into_iter().zip(artifacts).zip(contacts).enumerate();
        for (position, (loaded, contact)) in parts {
            stations.push(Arc::new(Station::open(&site, position, loaded, contact).await?));
        }
        // Cards come last: they are what makes frontends send requests.
        for station in &stations {
            station.list().await?;
        }
        site.plane.set_ready(true);
        let swappers = stations.iter().zip(sources).zip(&arguments.plugins).enumerate();
        let swappers = swappers.map(|(position, ((station, source), name))| {
            let gate = Gate {
                runtime: runtime.clone(),
                grants: flags.grants(name),
                cases: flags.cases(name),
                position,
                recorded: station.recorded(),
            };
            (station.clone(), Swapper::new(site.clone(), station.clone(), source, gate))
        });
        let swaps = Desk::open(&site.plane, swappers.collect(), hangup);
        Ok(Host { site, stations, follower: None, swaps })
    }

    /// Serves until a signal, through deaths of the engine.
    async fn serve(mut self, signals: &mut Signals) -> Result<(), HostError> {
        tokio::select! {
            signal = signals.next() => tracing::info!("{signal}: shutting down"),
            () = self.follow_plane() => {}
            () = self.follow_engine() => {}
            () = self.follow_health_checks() => {}
            () = self.follow_leader() => {}
        }
        self.swaps.abort_all();
        let flags = &self.site.arguments.flags;
        let patience = Patience {
            grace: flags.runtime.grace_period,
            drain: flags.runtime.drain_timeout,
            engine: flags.engine.engine_stop_timeout,
        };
        if let Some(follower) = &self.follower {
            follower.leave().await;
        }
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
                    self.site.begin_generation();
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
                    self.site.service.lose(Absence::NoEngine, Duration::ZERO).await;
                    for station in &self.stations {
                        station.lose_engine().await;
                    }
                    if let Some(follower) = &self.follower {
                        follower.lose_engine().await;
                    }
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

    /// Joins Dynamo again each time it has forgotten us, as etcd does after a lease. What is in
    /// flight goes on. Never ends.
    async fn follow_plane(&self) {
        loop {
            self.site.plane.lost().await;
            tracing::error!("Dynamo has dropped this worker (a lost etcd lease): joining again");
            while let Err(error) = self.join_again().await {
                tracing::error!("Dynamo cannot be joined: {error}");
                tokio::time::sleep(RETRY).await;
            }
            tracing::info!(id = self.site.plane.instance_id(), "back in discovery");
        }
    }

    async fn join_again(&self) -> Result<(), HostError> {
        self.site.plane.renew().await?;
        for station in &self.stations {
            station.renew().await?;
        }
        if let Some(follower) = &self.follower {
            follower.renew().await?;
        }
        self.site.service.say_whether_ready().await;
        Ok(())
    }

    /// Relays for the node that leads the engine. Never ends.
    async fn follow_leader(&self) {
        match &self.follower {
            Some(follower) => follower.follow().await,
            None => pending().await,
        }
    }

    async fn return_to_service(&self) -> Result<(), HostError> {
        for station in &self.stations {
            station.begin_anew().await?;
        }
        if let Some(follower) = &self.follower {
            follower.regain_engine().await;
        }
        self.site.service.regain(Absence::NoEngine).await?;
        Ok(())
    }

    /// Leaves discovery when health checks say that the engine hangs, comes back when they pass. They
    /// go on meanwhile: an engine that was stopped goes on where it was.
    async fn follow_health_checks(&self) {
        if self.stations.is_empty() {
            return pending().await;
        }
        let service = &self.site.service;
        let mut checks: Vec<watch::Receiver<u32>> =
            self.stations.iter().map(|station| station.served().failed_checks()).collect();
        loop {
            let failed = checks.iter_mut().map(|failed| *failed.borrow_and_update());
            let failed = failed.max().unwrap_or_default();
            let lost = service.is_lost(Absence::Hung).await;
            if failed >= HUNG_AFTER && !lost {
                tracing::error!("{failed} health checks in a row have failed; leaving discovery");
                service.lose(Absence::Hung, Duration::ZERO).await;
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

/// The plugins of the command line, in its order.
struct Loaded {
    plugins: Vec<Plugin>,
    /// What each was loaded from.
    artifacts: Vec<Artifact>,
    /// Where each comes from.
    sources: Vec<Source>,
}

async fn load(arguments: &Arguments, runtime: &Runtime) -> Result<Loaded, HostError> {
    let mut loaded = Loaded { plugins: Vec::new(), artifacts: Vec::new(), sources: Vec::new() };
    for name in &arguments.plugins {
        let source = Source::find(name).await?;
        let artifact = source.fetch().await?;
        let grants = arguments.flags.plugin.grants(name);
        let plugin = Plugin::load(runtime, &artifact, &grants).await?;
        let name = &plugin.manifest().name;
        if loaded.plugins.iter().any(|other| other.manifest().name == *name) {
            return Err(HostError::SamePlugin { plugin: name.clone() });
        }
        loaded.plugins.push(plugin);
        loaded.artifacts.push(artifact);
        loaded.sources.push(source);
    }
    Ok(loaded)
}
