//! Leaving so that nobody loses an answer.
//!
//! Dynamo's SGLang backend aborts what outlives a grace period of 5 s. Here what is in flight is
//! finished, up to a bounded time, and only then handed over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_plane::Served;
use futures::future::join_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::service::Absence;
use crate::site::Site;
use crate::station::Station;

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals over from the system.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next of them, by name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// How long each part may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Late requests are still taken: routers need a moment to notice that we left.
    pub grace: Duration,
    /// Then requests in flight may finish.
    pub drain: Duration,
    /// Then the engine may end by itself.
    pub engine: Duration,
}

/// Exit code after a second signal, as a shell reports a process ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Between the removal of the model card and that of the endpoint, before the grace period begins.
/// Frontends notice the first within milliseconds; on a machine short of processors it takes longer.
const NOTICE: Duration = Duration::from_secs(1);

/// How long requests that were handed over may take to be gone, and an endpoint to close after them.
/// None of it waits for an engine.
const CLOSING: Duration = Duration::from_secs(10);

/// What a worker does to leave.
#[async_trait]
pub trait Steps: Sync {
    /// Leaves discovery, with this notice for requests on their way. Whatever fails there, the worker
    /// goes.
    async fn unregister(&self, notice: Duration);
    /// Serves on while routers notice.
    async fn serve_on(&self, grace: Duration);
    /// Waits for what is in flight; whether nothing is left.
    async fn finish(&self, drain: Duration) -> bool;
    /// Ends what is left, so that other workers go on with it.
    async fn hand_over(&self);
    /// Refuses requests.
    async fn close(&self);
    /// Ends the engine, by its own signal first.
    async fn stop_engine(&self, patience: Duration);
    /// Ends the rest.
    async fn end(&self);
}

/// Leaves, step by step: the order of `dynamo.sglang` 1.6.1's `shutdown.py` (discovery, grace period,
/// runtime, engine), in which what outlives the grace period is waited for.
pub async fn leave(worker: &impl Steps, patience: Patience) {
    worker.unregister(patience.grace.min(NOTICE)).await;
    if !patience.grace.is_zero() {
        worker.serve_on(patience.grace).await;
    }
    if !worker.finish(patience.drain).await {
        worker.hand_over().await;
    }
    worker.close().await;
    worker.stop_engine(patience.engine).await;
    worker.end().await;
}

/// A worker that leaves.
pub struct Departure<'a> {
    /// What its plugins share.
    pub site: &'a Site,
    /// Its plugins.
    pub stations: &'a [Arc<Station>],
}

impl Departure<'_> {
    async fn endpoints(&self) -> Vec<Arc<Served>> {
        let endpoints = self.stations.iter().map(|station| station.endpoints());
        join_all(endpoints).await.into_iter().flatten().collect()
    }

    async fn drained(&self, patience: Duration) -> bool {
        let drained = self.stations.iter().map(|station| station.served().drain(patience));
        join_all(drained).await.into_iter().all(|drained| drained)
    }

    /// Whatever fails from here on fails because we leave.
    fn say_so(&self) {
        self.stations.iter().for_each(|station| station.handler().leave());
    }
}

#[async_trait]
impl Steps for Departure<'_> {
    async fn unregister(&self, notice: Duration) {
        self.site.service.lose(Absence::Leaving, notice).await;
        for endpoint in self.endpoints().await {
            if let Err(error) = endpoint.withdraw(Duration::ZERO).await {
                tracing::warn!("could not leave discovery: {error}");
            }
        }
    }

    async fn serve_on(&self, grace: Duration) {
        let in_flight = self.stations.iter().map(|station| station.served().in_flight());
        tracing::info!(
            in_flight = in_flight.sum::<usize>(),
            "left discovery; serving what still comes for {} s",
            grace.as_secs_f32()
        );
        tokio::time::sleep(grace).await;
    }

    async fn finish(&self, drain: Duration) -> bool {
        self.drained(drain).await
    }

    async fn hand_over(&self) {
        self.say_so();
        let count = self.site.service.hand_over();
        tracing::warn!("{count} requests are still in flight (--drain-timeout): handing them over");
        self.drained(CLOSING).await;
    }

    async fn close(&self) {
        self.say_so();
        for endpoint in self.endpoints().await {
            match timeout(CLOSING, endpoint.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!("could not close the endpoint {}: {error}", endpoint.id());
                }
                Err(_) => tracing::warn!("the endpoint {} does not close", endpoint.id()),
            }
        }
    }

    async fn stop_engine(&self, patience: Duration) {
        for station in self.stations {
            station.stop_relay().await;
        }
        self.site.backend.shutdown(patience).await;
    }

    async fn end(&self) {
        self.site.plane.shutdown().await;
        // The routes hold the site, and the site the routes: it is never dropped, and nor are its files.
        self.site.remove_files();
    }
}

/// Ends the process at the next signal, whatever it is doing, after `tidy`. The engine's guard sees
/// us gone and kills the engine.
pub async fn exit_at_next(signals: &mut Signals, tidy: impl FnOnce()) -> ! {
    let signal = signals.next().await;
    tracing::warn!("{signal} again: exiting at once");
    tidy();
    std::process::exit(INTERRUPTED)
}

#[cfg(test)]
mod tests;
