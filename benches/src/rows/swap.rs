//! What a hot swap costs the requests of the meantime.

use std::path::Path;
use std::time::{Duration, Instant};

use dynamo_host_engine::{Call, Client};
use futures::future::join_all;
use serde_json::Value;
use tokio::process::Command;

use super::{quantiles, system_server};
use crate::error::BenchError;
use crate::load::{Ask, Load};
use crate::process::{Subject, endpoint};
use crate::report::{Budget, Row};

/// Clients that ask for a token, each as soon as it has the one before.
const CLIENTS: usize = 2;
const WITHOUT: Duration = Duration::from_secs(4);
/// A new version is seen, compiled, tried and switched to within.
const PATIENCE: Duration = Duration::from_secs(60);

/// `plugin` is the file from which `host` takes its plugin.
pub async fn rows(
    mut host: Command,
    plugin: &Path,
    rounds: usize,
    load: &Load,
    logs: &Path,
) -> Result<[Row; 2], BenchError> {
    host.args(["--endpoint", &endpoint("swapped")]);
    let system = system_server(&mut host)?;
    let answers = async |subject: &Subject| load.respond(subject, Ask::tokens(1)).await.is_ok();
    let subject =
        Subject::start("swapped", host, logs, Duration::from_millis(100), answers).await?;
    let component = tokio::fs::read(plugin).await?;
    let (mut pauses, mut worst, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let until = Instant::now() + WITHOUT;
        let mut calm = asked(&subject, load, async || Instant::now() > until).await?;
        let before = quantiles(&mut calm).1;
        without.push(slowest(&calm) / before);

        let other = plugin.with_extension("next");
        tokio::fs::write(&other, version(&component, round)).await?;
        let switched = switch(&system).await?;
        tokio::fs::rename(&other, plugin).await?;
        let over = Instant::now() + PATIENCE;
        let is_switched = async || {
            Instant::now() > over || switch(&system).await.is_ok_and(|now| now != switched)
        };
        let meantime = asked(&subject, load, is_switched).await?;
        let now = switch(&system).await?;
        let pause = now["pause_us"].as_f64().filter(|_| now != switched);
        pauses.push(pause.ok_or_else(|| BenchError::NotServing {
            subject: "the swapped plugin".into(),
            log: now.to_string(),
        })?);
        worst.push(slowest(&meantime) / before);
    }
    subject.stop().await?;
    Ok([
        Row::new(
            "pause of new requests in a swap",
            "us",
            &pauses,
            &[],
            &[],
            &[Budget::AtMost(1e3)],
        ),
        Row::new(
            "slowest request of a swap, to the p99 without",
            "x",
            &worst,
            &[],
            &without,
            &[Budget::AtMost(2.0)],
        ),
    ])
}

/// In seconds.
fn slowest(times: &[Duration]) -> f64 {
    times.iter().max().map_or(f64::NAN, Duration::as_secs_f64)
}

/// How long each request of the clients took, until `over`.
async fn asked(
    subject: &Subject,
    load: &Load,
    over: impl AsyncFn() -> bool,
) -> Result<Vec<Duration>, BenchError> {
    let clients = (0..CLIENTS).map(async |_| {
        let mut times = Vec::new();
        while !over().await {
            times.push(load.respond(subject, Ask::tokens(1)).await?);
        }
        Ok::<_, BenchError>(times)
    });
    let times: Result<Vec<_>, _> = join_all(clients).await.into_iter().collect();
    Ok(times?.concat())
}

/// The last switch, by the host's own account; null before the first.
async fn switch(system: &Client) -> Result<Value, BenchError> {
    let reply = system.send(Call::get("/engine/plugin")).await?.whole(1 << 20).await?;
    let record: Value = serde_json::from_slice(&reply)?;
    Ok(record.pointer("/plugins/0/last_switch").cloned().unwrap_or_default())
}

/// The component with a custom section of its own, and so another digest.
fn version(component: &[u8], round: usize) -> Vec<u8> {
    let name = format!("{}-{round}", std::process::id());
    let mut version = component.to_vec();
    version.extend([0, name.len() as u8 + 1, name.len() as u8]);
    version.extend_from_slice(name.as_bytes());
    version
}
