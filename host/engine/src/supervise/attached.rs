//! An engine that somebody else runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{State, ready, stopped};
use crate::client::Client;
use crate::process::StartError;

/// How often it is probed.
const EVERY: Duration = Duration::from_secs(2);

/// After how many failed probes in a row it counts as down: one may be lost to a long step.
const FAILURES: u32 = 3;

/// Watches the engine until `stop`.
pub(super) async fn run(
    ready_path: String,
    start_timeout: Option<Duration>,
    client: Client,
    state: watch::Sender<State>,
    mut stop: watch::Receiver<Option<Duration>>,
) {
    let end = tokio::select! {
        end = watch_it(&ready_path, start_timeout, &client, &state) => end,
        _ = stopped(&mut stop) => State::Stopped,
    };
    state.send_replace(end);
}

/// Tells of the engine's coming and going; gives the state that it ends in.
async fn watch_it(
    ready_path: &str,
    start_timeout: Option<Duration>,
    client: &Client,
    state: &watch::Sender<State>,
) -> State {
    let mut why = String::new();
    let first = ready::with_progress(ready::wait(client, ready_path, EVERY, &mut why), || None);
    // No limit: longer than anybody waits.
    let after = start_timeout.unwrap_or(Duration::MAX);
    if tokio::time::timeout(after, first).await.is_err() {
        let address = client.address().to_owned();
        return State::Failed(Arc::new(StartError::NeverReady {
            address,
            after,
            why,
            last_lines: Vec::new(),
        }));
    }
    for generation in 1.. {
        tracing::info!(address = client.address(), "the engine is ready");
        state.send_replace(State::Ready { generation });
        let why = until_down(client, ready_path).await;
        tracing::error!(address = client.address(), "the engine is down: {why}");
        state.send_replace(State::Down { why: why.into() });
        client.forget_idle();
        ready::wait(client, ready_path, EVERY, &mut String::new()).await;
    }
    State::Stopped
}

/// Resolves with what the last probe found, once the engine is down.
async fn until_down(client: &Client, ready_path: &str) -> String {
    let mut failures = 0;
    loop {
        sleep(EVERY).await;
        match ready::probe(client, ready_path).await {
            Ok(()) => failures = 0,
            Err(why) => {
                failures += 1;
                if failures == FAILURES {
                    return why;
                }
            }
        }
    }
}
