//! An engine that we start, and start again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Policy, State, ready, stopped};
use crate::client::Client;
use crate::process::{Child, Command, LastLines, StartError};

/// How often an engine that is starting is probed. A refused connection costs next to nothing.
const PROBE_EVERY: Duration = Duration::from_millis(200);

/// The time between an engine's end and its next start: the first, and the longest.
const BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How long an engine must have been ready to count as healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// What an engine that did not become ready in time may take to end by itself.
const LATE_GRACE: Duration = Duration::from_secs(5);

/// How long we wait for a killed engine. The kernel may take long to give back GPUs and memory.
const REAP: Duration = Duration::from_secs(10);

pub(super) struct Launched {
    pub(super) command: Command,
    pub(super) ready_path: String,
    pub(super) policy: Policy,
    pub(super) client: Client,
    pub(super) state: watch::Sender<State>,
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

/// How one life of the engine ended.
enum End {
    /// It was to stop, and did.
    Stopped,
    /// It did not become ready.
    Unready(StartError),
    /// It was ready for this long.
    Died { ready_for: Duration },
}

impl Launched {
    /// Keeps the engine running until it is to stop, or did not come up the first time.
    pub(super) async fn run(mut self) {
        let mut generation = 0;
        let mut backoff = BACKOFF;
        loop {
            match self.live(&mut generation).await {
                End::Stopped => break,
                End::Unready(error) if generation == 0 => {
                    self.state.send_replace(State::Failed(Arc::new(error)));
                    return;
                }
                End::Unready(error) => self.down(error.to_string()),
                End::Died { ready_for } if ready_for >= HEALTHY => backoff = BACKOFF,
                End::Died { .. } => {}
            }
            tracing::warn!("starting the engine again in {} s", backoff.as_secs());
            tokio::select! {
                () = sleep(backoff) => {}
                _ = stopped(&mut self.stop) => break,
            }
            backoff = LONGEST_BACKOFF.min(backoff * 2);
        }
        self.state.send_replace(State::Stopped);
    }

    /// One life of the engine, from its start until nothing of it is left.
    async fn live(&mut self, generation: &mut u64) -> End {
        if let Err(error) = self.check_port().await {
            return End::Unready(error);
        }
        let started = tokio::select! {
            started = Child::start(&self.command, &self.policy.guard) => started,
            _ = stopped(&mut self.stop) => return End::Stopped,
        };
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return End::Unready(error),
        };
        let begun = Instant::now();
        let last_lines = child.last_lines();
        // A restart may take its time: nothing better can be done than to wait.
        let limit = self.policy.start_timeout.filter(|_| *generation == 0);
        let mut why = String::new();
        tokio::select! {
            exit = child.exited() => {
                reaped(&mut child).await;
                let last_lines = last_lines.get();
                return End::Unready(StartError::Exited { exit: exit.to_string(), last_lines });
            }
            grace = stopped(&mut self.stop) => {
                end(&mut child, grace).await;
                return End::Stopped;
            }
            ready = until_ready(&self.client, &self.ready_path, limit, &last_lines, &mut why) => {
                if let Err(after) = ready {
                    end(&mut child, LATE_GRACE).await;
                    let address = self.client.address().to_owned();
                    let last_lines = last_lines.get();
                    return End::Unready(StartError::NeverReady { address, after, why, last_lines });
                }
            }
        }
        *generation += 1;
        tracing::info!("the engine is ready after {:.1} s", begun.elapsed().as_secs_f32());
        self.state.send_replace(State::Ready { generation: *generation });
        let begun = Instant::now();
        tokio::select! {
            exit = child.exited() => {
                let ready_for = begun.elapsed();
                self.down(format!("the engine ended ({exit})"));
                tokio::select! {
                    () = child.gone() => End::Died { ready_for },
                    _ = stopped(&mut self.stop) => {
                        reaped(&mut child).await;
                        End::Stopped
                    }
                }
            }
            grace = stopped(&mut self.stop) => {
                end(&mut child, grace).await;
                End::Stopped
            }
        }
    }

    fn down(&self, why: String) {
        tracing::error!("the engine is down: {why}");
        self.state.send_replace(State::Down { why: why.into() });
        self.client.forget_idle();
    }

    /// Somebody else on the engine's port would answer the probes in its place.
    async fn check_port(&self) -> Result<(), StartError> {
        match self.client.is_listening().await {
            false => Ok(()),
            true => Err(StartError::PortInUse { address: self.client.address().to_owned() }),
        }
    }
}

/// Waits until the engine is ready.
///
/// # Errors
/// The limit, if it was not ready within it; `why` holds what the last probe found.
async fn until_ready(
    client: &Client,
    path: &str,
    limit: Option<Duration>,
    last_lines: &LastLines,
    why: &mut String,
) -> Result<(), Duration> {
    let ready = ready::with_progress(ready::wait(client, path, PROBE_EVERY, why), || {
        last_lines.get().pop()
    });
    match limit {
        Some(limit) => timeout(limit, ready).await.map_err(|_| limit),
        None => {
            ready.await;
            Ok(())
        }
    }
}

/// Ends the engine: asks it, and kills it if it has not ended after `grace`.
async fn end(child: &mut Child, grace: Duration) {
    child.terminate();
    match timeout(grace, child.exited()).await {
        Ok(exit) => tracing::info!("the engine ended ({exit})"),
        Err(_) => {
            tracing::warn!("the engine did not end within {} s: killing it", grace.as_secs_f32());
            child.kill();
        }
    }
    reaped(child).await;
}

/// Waits until nothing of the engine is left, but not for ever: its guard goes on without us.
async fn reaped(child: &mut Child) {
    if timeout(REAP, child.gone()).await.is_err() {
        tracing::warn!("the engine is being killed, but after {} s is not gone", REAP.as_secs());
    }
}
