//! How long things take on the clock.

use std::path::Path;
use std::time::{Duration, Instant};

use dynamo_host_engine::events::Framing;
use dynamo_host_engine::{Call, Client, Limits};
use serde_json::json;
use tokio::process::Command;

use super::{SINGLE, Subjects, quantiles, system_server};
use crate::error::BenchError;
use crate::load::{Ask, Load};
use crate::process::{Subject, endpoint};
use crate::report::{Budget, Row};

/// From the start of the process until it says that it is ready, which a request through the plugin
/// and the engine has shown. The engine is up, and the plugin was compiled before.
pub async fn ready(
    host: impl Fn() -> Command,
    rounds: usize,
    logs: &Path,
) -> Result<Row, BenchError> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let mut command = host();
        command.args(["--endpoint", &endpoint("again")]);
        let system = system_server(&mut command)?;
        let is_ready = async |_: &Subject| {
            system.send(Call::get("/health")).await.is_ok_and(|reply| reply.status() == 200)
        };
        let began = Instant::now();
        let again =
            Subject::start("again", command, logs, Duration::from_millis(1), is_ready).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        again.stop().await?;
    }
    let budget = &[Budget::AtMost(100.0)];
    Ok(Row::new("start to ready, engine up, plugin compiled", "ms", &times, &[], &[], budget))
}

/// How much later the first token comes than it does from the engine itself.
pub async fn first_token(
    subjects: &Subjects,
    rounds: usize,
    load: &Load,
    engine_url: &str,
) -> Result<[Row; 2], BenchError> {
    let engine = Client::new(engine_url, Limits::default())?;
    let mut direct = Vec::new();
    let mut figures = [const { (Vec::new(), Vec::new()) }; 3];
    for round in 0..=rounds {
        let mut times = Vec::with_capacity(SINGLE);
        for _ in 0..SINGLE {
            times.push(ask(&engine).await?);
        }
        let itself = quantiles(&mut times);
        if round > 0 {
            direct.push(itself);
        }
        let all = [&subjects.ours, &subjects.peer, &subjects.floor];
        for (subject, (p50, p99)) in all.iter().zip(&mut figures) {
            let mut times = Vec::with_capacity(SINGLE);
            for _ in 0..SINGLE {
                times.push(load.respond(subject, Ask::tokens(1)).await?);
            }
            let through = quantiles(&mut times);
            if round > 0 {
                p50.push((through.0 - itself.0) * 1e3);
                p99.push((through.1 - itself.1) * 1e3);
            }
        }
    }
    let [ours, peer, floor] = figures;
    Ok([
        Row::new(
            "first token later than from the engine, p50",
            "ms",
            &ours.0,
            &peer.0,
            &floor.0,
            &[Budget::AtMost(0.5)],
        ),
        Row::new("the same, p99", "ms", &ours.1, &peer.1, &floor.1, &[Budget::AtMost(2.0)]),
    ])
}

async fn ask(engine: &Client) -> Result<Duration, BenchError> {
    let body = json!({"input_ids": [1], "sampling_params": {"max_new_tokens": 1}, "stream": true});
    let call = Call {
        method: axum::http::Method::POST,
        body: body.to_string().into(),
        framing: Framing::Sse,
        ..Call::get("/generate")
    };
    let began = Instant::now();
    let mut reply = engine.send(call).await?;
    let mut events = Vec::new();
    reply.next(&mut events, 64).await?;
    let first = began.elapsed();
    while reply.next(&mut events, 64).await? > 0 {}
    Ok(first)
}
