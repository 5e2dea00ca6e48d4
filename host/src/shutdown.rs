//! Leaving so that nobody loses an answer.
//!
//! Dynamo's SGLang backend aborts what outlives a grace period of 5 s. Here what is in flight is
//! finished, up to a bounded time, and only then handed over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

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

/// Ends a worker that serves.
pub async fn drain(site: &Site, stations: &[Arc<Station>], patience: Patience) {
    site.plane.set_ready(false);
    let endpoints = join_all(stations.iter().map(|station| station.endpoints())).await;
    let endpoints: Vec<_> = endpoints.into_iter().flatten().collect();
    for endpoint in &endpoints {
        if let Err(error) = endpoint.withdraw().await {
            tracing::warn!("could not leave discovery: {error}");
        }
    }
    let in_flight = || stations.iter().map(|station| station.served().in_flight()).sum::<usize>();
    tracing::info!(
        in_flight = in_flight(),
        "left discovery; serving what still comes for {} s",
        patience.grace.as_secs_f32()
    );
    tokio::time::sleep(patience.grace).await;
    let drained = stations.iter().map(|station| station.served().drain(patience.drain));
    if !join_all(drained).await.into_iter().all(|drained| drained) {
        tracing::warn!(
            in_flight = in_flight(),
            "requests are still in flight after {} s more: handing them over",
            patience.drain.as_secs_f32()
        );
    }
    // Whatever fails from here on fails because we leave.
    stations.iter().for_each(|station| station.handler().leave());
    for station in stations {
        station.stop_relay().await;
    }
    site.backend.shutdown(patience.engine).await;
    for endpoint in &endpoints {
        if let Err(error) = endpoint.close().await {
            tracing::warn!("could not close the endpoint {}: {error}", endpoint.id());
        }
    }
    site.plane.shutdown().await;
}

/// Ends the process at the next signal, whatever it is doing, after `tidy`. The engine's guard sees
/// us gone and kills the engine.
pub async fn exit_at_next(signals: &mut Signals, tidy: impl FnOnce()) -> ! {
    let signal = signals.next().await;
    tracing::warn!("{signal} again: exiting at once");
    tidy();
    std::process::exit(INTERRUPTED)
}
