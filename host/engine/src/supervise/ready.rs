//! Asks an engine whether it can generate.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::client::Client;

/// How long one probe may take. SGLang's `/health` generates a token and takes over a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a probe may answer; it is not looked at.
const LONGEST: usize = 1 << 20;

/// How often the log tells that an engine is still loading.
const PROGRESS: Duration = Duration::from_secs(10);

/// One probe.
///
/// # Errors
/// Why the engine is not ready.
pub(super) async fn probe(client: &Client, path: &str) -> Result<(), String> {
    match client.get(path, TIMEOUT, LONGEST).await {
        Ok((200..=299, _)) => Ok(()),
        Ok((status, _)) => Err(format!("GET {path} answered {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Probes until the engine is ready; `why` holds what the last probe found.
pub(super) async fn wait(client: &Client, path: &str, every: Duration, why: &mut String) {
    while let Err(not_yet) = probe(client, path).await {
        *why = not_yet;
        sleep(every).await;
    }
}

/// Runs `work` and writes a line of progress now and then meanwhile. `last_line` is what is worth
/// adding to it.
pub(super) async fn with_progress<T>(
    work: impl Future<Output = T>,
    last_line: impl Fn() -> Option<String>,
) -> T {
    let begun = Instant::now();
    let mut progress = interval_at(begun + PROGRESS, PROGRESS);
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = progress.tick() => {
                let seconds = begun.elapsed().as_secs();
                match last_line() {
                    Some(line) => {
                        tracing::info!("engine still loading, {seconds} s, last line: {line}");
                    }
                    None => tracing::info!("engine not ready yet, {seconds} s"),
                }
            }
        }
    }
}
