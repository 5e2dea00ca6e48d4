//! The figures, one after another. Within each, every worker has its turn in every round.

use std::path::Path;
use std::time::{Duration, Instant};

use dynamo_host_engine::events::Framing;
use dynamo_host_engine::{Call, Client, Limits};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Settings;
use crate::engine;
use crate::error::BenchError;
use crate::load::Load;
use crate::process::{Subject, endpoint};
use crate::report::{Budget, Row, finish};

/// Requests one after another in each round of a figure about single requests.
const SINGLE: usize = 400;

/// A kind of load: clients at once, requests of each, tokens of each.
struct Burst {
    name: &'static str,
    streams: usize,
    requests: usize,
    tokens: u32,
    logprobs: bool,
    budgets: &'static [Budget],
}

const BURSTS: [Burst; 4] = [
    Burst {
        name: "CPU per token, 32 streams of 128",
        streams: 32,
        requests: 4,
        tokens: 128,
        logprobs: false,
        budgets: &[Budget::AtMost(6.0), Budget::OfPeer(1.0 / 7.0), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token, one stream of 128",
        streams: 1,
        requests: 60,
        tokens: 128,
        logprobs: false,
        budgets: &[Budget::OfPeer(0.1), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token with 20 alternatives, 32 streams of 128",
        streams: 32,
        requests: 2,
        tokens: 128,
        logprobs: true,
        budgets: &[Budget::OfPeer(1.0 / 3.0), Budget::OfFloor(2.0)],
    },
    Burst {
        name: "CPU per request of one token",
        streams: 1,
        requests: SINGLE,
        tokens: 1,
        logprobs: false,
        budgets: &[Budget::AtMost(200.0), Budget::OfPeer(0.5)],
    },
];

/// The three that are compared.
struct Subjects {
    ours: Subject,
    peer: Subject,
    floor: Subject,
}

/// Measures all of it.
pub async fn run(settings: &Settings) -> Result<(), BenchError> {
    let place = TempDir::with_prefix("dynamo-host-bench-")?;
    let measured = measure(settings, place.path()).await;
    if measured.is_err() {
        // What the workers have said tells why.
        eprintln!("bench: the workers' output is in {}", place.keep().display());
    }
    finish(&measured?, &settings.summary)
}

async fn measure(settings: &Settings, place: &Path) -> Result<Vec<Row>, BenchError> {
    let discovery = place.join("discovery");
    let load = Load::start(&discovery).await?;
    let engine_url = engine::start().await?;
    let subjects = start(settings, &engine_url, &discovery, place, &load).await?;

    let mut rows = vec![idle(&subjects)?];
    for burst in &BURSTS {
        rows.push(under(burst, &subjects, settings.rounds, &load).await?);
    }
    rows.extend(first_token(&subjects, settings.rounds, &load, &engine_url).await?);
    rows.push(held(&subjects.ours, &load).await?);
    let Subjects { ours, peer, floor } = subjects;
    for subject in [ours, peer, floor] {
        subject.stop().await?;
    }
    Ok(rows)
}

async fn start(
    settings: &Settings,
    engine_url: &str,
    discovery: &Path,
    logs: &Path,
    load: &Load,
) -> Result<Subjects, BenchError> {
    let worker = |program: &Path| {
        let mut command = Command::new(program);
        command.env("DYN_DISCOVERY_BACKEND", "file").env("DYN_FILE_KV", discovery);
        command.env("DYN_REQUEST_PLANE", "tcp").env("DYN_EVENT_PLANE", "zmq");
        command
    };
    let mut ours = worker(&settings.host);
    ours.arg("--plugin").arg(&settings.plugin).arg("--model-path").arg(&settings.model_path);
    ours.args(["--engine-url", engine_url, "--endpoint", &endpoint("ours")]);
    let mut floor = worker(&std::env::current_exe()?);
    floor.args(["floor", "--engine-url", engine_url, "--endpoint", &endpoint("floor")]);
    let mut peer = worker(&settings.python);
    peer.arg(&settings.peer).arg(&settings.dynamo).arg("peer.backend.generate");
    Ok(Subjects {
        ours: Subject::start("ours", ours, logs, load).await?,
        floor: Subject::start("floor", floor, logs, load).await?,
        peer: Subject::start("peer", peer, logs, load).await?,
    })
}

fn idle(subjects: &Subjects) -> Result<Row, BenchError> {
    let mebibytes =
        |subject: &Subject| Ok::<_, BenchError>(subject.resident()? as f64 / f64::from(1 << 20));
    Ok(Row::new(
        "memory of an idle worker",
        "MiB",
        &[mebibytes(&subjects.ours)?],
        &[mebibytes(&subjects.peer)?],
        &[mebibytes(&subjects.floor)?],
        &[Budget::AtMost(60.0)],
    ))
}

async fn under(
    burst: &Burst,
    subjects: &Subjects,
    rounds: usize,
    load: &Load,
) -> Result<Row, BenchError> {
    let Burst { streams, requests, tokens, logprobs, .. } = *burst;
    let all = [&subjects.ours, &subjects.peer, &subjects.floor];
    let mut figures = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (subject, figures) in all.iter().zip(&mut figures) {
            let before = subject.cpu()?;
            load.burst(subject, streams, requests, tokens, logprobs).await?;
            let used = subject.cpu()?.saturating_sub(before);
            // The first round warms pools and caches.
            if round > 0 {
                let made = (streams * requests) as f64 * f64::from(tokens);
                figures.push(used.as_secs_f64() * 1e6 / made);
            }
        }
    }
    let [ours, peer, floor] = figures;
    Ok(Row::new(burst.name, "us", &ours, &peer, &floor, burst.budgets))
}

/// How much later the first token comes than it does from the engine itself.
async fn first_token(
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
                times.push(load.respond(subject, 1, false).await?);
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

/// The middle and the slowest of a hundred, in seconds.
fn quantiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times.get(times.len() * part / 100).map_or(f64::NAN, Duration::as_secs_f64);
    (at(50), at(99))
}

/// Memory of a response that stands still.
async fn held(ours: &Subject, load: &Load) -> Result<Row, BenchError> {
    const STREAMS: usize = 1_000;
    let before = ours.resident()?;
    let replies = load.hold(ours, STREAMS).await?;
    let each = ours.resident()?.saturating_sub(before) as f64 / STREAMS as f64 / 1024.0;
    drop(replies);
    Ok(Row::new(
        "memory per stream, 1,000 at once",
        "KiB",
        &[each],
        &[],
        &[],
        &[Budget::AtMost(128.0)],
    ))
}
