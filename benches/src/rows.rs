//! The figures, one after another. Within each, every worker has its turn in every round.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
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
use crate::load::{Ask, Load};
use crate::process::{Subject, endpoint};
use crate::report::{Budget, Row, finish};

/// Requests one after another in each round of a figure about single requests.
const SINGLE: usize = 400;

/// A kind of load.
struct Burst {
    name: &'static str,
    /// Clients at once.
    streams: usize,
    /// What each asks one after another.
    requests: usize,
    ask: Ask,
    budgets: &'static [Budget],
}

const BURSTS: [Burst; 6] = [
    Burst {
        name: "CPU per token, 32 streams of 128",
        streams: 32,
        requests: 4,
        ask: Ask::tokens(128),
        budgets: &[Budget::AtMost(6.0), Budget::OfPeer(1.0 / 7.0), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token, one stream of 128",
        streams: 1,
        requests: 60,
        ask: Ask::tokens(128),
        budgets: &[Budget::OfPeer(0.1), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token, 1,000 streams of 32",
        streams: 1_000,
        requests: 1,
        ask: Ask::tokens(32),
        budgets: &[Budget::OfPeer(1.0 / 7.0), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token with 20 alternatives, 32 streams of 128",
        streams: 32,
        requests: 2,
        ask: Ask { logprobs: true, ..Ask::tokens(128) },
        budgets: &[Budget::OfPeer(1.0 / 3.0), Budget::OfFloor(2.0)],
    },
    Burst {
        name: "CPU per request of one token",
        streams: 1,
        requests: SINGLE,
        ask: Ask::tokens(1),
        budgets: &[Budget::AtMost(200.0), Budget::OfPeer(0.5)],
    },
    Burst {
        name: "CPU per request of one token, 32,000 in its prompt",
        streams: 1,
        requests: SINGLE / 4,
        ask: Ask { prompt: 32_000, ..Ask::tokens(1) },
        budgets: &[Budget::OfPeer(0.5)],
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

    // Before anything has filled the pools that streams are held in.
    let mut rows = vec![idle(&subjects)?, held(&subjects, &load).await?];
    for burst in &BURSTS {
        rows.push(under(burst, &subjects, settings.rounds, &load).await?);
    }
    rows.extend(growth(&subjects.ours, settings.rounds, &load).await?);
    rows.extend(first_token(&subjects, settings.rounds, &load, &engine_url).await?);
    rows.push(ready(|| host(settings, &engine_url, &discovery), settings.rounds, place).await?);
    let Subjects { ours, peer, floor } = subjects;
    for subject in [ours, peer, floor] {
        subject.stop().await?;
    }
    Ok(rows)
}

/// A program on the discovery and the planes that all of them share.
fn worker(program: &Path, discovery: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("DYN_DISCOVERY_BACKEND", "file").env("DYN_FILE_KV", discovery);
    command.env("DYN_REQUEST_PLANE", "tcp").env("DYN_EVENT_PLANE", "zmq");
    command
}

/// The host, but for its endpoint.
fn host(settings: &Settings, engine_url: &str, discovery: &Path) -> Command {
    let mut command = worker(&settings.host, discovery);
    command.arg("--plugin").arg(&settings.plugin).arg("--model-path").arg(&settings.model_path);
    command.args(["--engine-url", engine_url]);
    command
}

async fn start(
    settings: &Settings,
    engine_url: &str,
    discovery: &Path,
    logs: &Path,
    load: &Load,
) -> Result<Subjects, BenchError> {
    let mut ours = host(settings, engine_url, discovery);
    ours.args(["--endpoint", &endpoint("ours")]);
    let mut floor = worker(&std::env::current_exe()?, discovery);
    floor.args(["floor", "--engine-url", engine_url, "--endpoint", &endpoint("floor")]);
    let mut peer = worker(&settings.python, discovery);
    peer.arg(&settings.peer).arg(&settings.dynamo).arg("peer.backend.generate");
    let pause = Duration::from_millis(200);
    let answers = async |subject: &Subject| load.respond(subject, Ask::tokens(1)).await.is_ok();
    Ok(Subjects {
        ours: Subject::start("ours", ours, logs, pause, answers).await?,
        floor: Subject::start("floor", floor, logs, pause, answers).await?,
        peer: Subject::start("peer", peer, logs, pause, answers).await?,
    })
}

fn idle(subjects: &Subjects) -> Result<Row, BenchError> {
    let mebibytes =
        |subject: &Subject| Ok::<_, BenchError>(subject.memory()? as f64 / f64::from(1 << 20));
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
    let all = [&subjects.ours, &subjects.peer, &subjects.floor];
    let mut figures = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (subject, figures) in all.iter().zip(&mut figures) {
            let cost = per_token(subject, load, burst.streams, burst.requests, burst.ask).await?;
            // The first round warms pools and caches.
            if round > 0 {
                figures.push(cost);
            }
        }
    }
    let [ours, peer, floor] = figures;
    Ok(Row::new(burst.name, "us", &ours, &peer, &floor, burst.budgets))
}

/// Processor time of a worker for each token it sends, in microseconds.
async fn per_token(
    subject: &Subject,
    load: &Load,
    streams: usize,
    requests: usize,
    ask: Ask,
) -> Result<f64, BenchError> {
    let before = subject.cpu()?;
    load.burst(subject, streams, requests, ask).await?;
    let used = subject.cpu()?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e6 / ((streams * requests) as f64 * f64::from(ask.tokens)))
}

/// Whether a token costs more the more there are: at the end of a long answer, and beside many others.
async fn growth(ours: &Subject, rounds: usize, load: &Load) -> Result<[Row; 2], BenchError> {
    let (mut by_length, mut by_streams) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let short = per_token(ours, load, 1, 200, Ask::tokens(100)).await?;
        let long = per_token(ours, load, 1, 1, Ask::tokens(100_000)).await?;
        let many = per_token(ours, load, 1_000, 1, Ask::tokens(100)).await?;
        by_length.push(long / short);
        by_streams.push(many / short);
    }
    // Noise is no growth.
    let flat = &[Budget::AtMost(1.1)];
    Ok([
        Row::new("a token of an answer of 100,000, to one of 100", "x", &by_length, &[], &[], flat),
        Row::new("a token of 1,000 streams, to one of one", "x", &by_streams, &[], &[], flat),
    ])
}

/// From the start of the process until it says that it is ready, which a request through the plugin
/// and the engine has shown. The engine is up, and the plugin was compiled before.
async fn ready(host: impl Fn() -> Command, rounds: usize, logs: &Path) -> Result<Row, BenchError> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let port = free_port()?;
        let health = format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
        let health = Client::new(&health, Limits::default())?;
        let is_ready = async |_: &Subject| {
            health.send(Call::get("/health")).await.is_ok_and(|reply| reply.status() == 200)
        };
        let mut command = host();
        command.args(["--endpoint", &endpoint("again")]).env("DYN_SYSTEM_PORT", port.to_string());
        let began = Instant::now();
        let again =
            Subject::start("again", command, logs, Duration::from_millis(1), is_ready).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        again.stop().await?;
    }
    let budget = &[Budget::AtMost(100.0)];
    Ok(Row::new("start to ready, engine up, plugin compiled", "ms", &times, &[], &[], budget))
}

/// A port Dynamo takes for a system server: it knows none above.
fn free_port() -> io::Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (20_000..=32_767).find(free).ok_or_else(|| io::ErrorKind::AddrInUse.into())
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

/// The middle and the slowest of a hundred, in seconds.
fn quantiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times.get(times.len() * part / 100).map_or(f64::NAN, Duration::as_secs_f64);
    (at(50), at(99))
}

/// Memory of a response that stands still.
async fn held(subjects: &Subjects, load: &Load) -> Result<Row, BenchError> {
    const STREAMS: usize = 1_000;
    let mut figures = [0.0; 2];
    for (subject, figure) in [&subjects.ours, &subjects.floor].iter().zip(&mut figures) {
        let before = subject.memory()?;
        let replies = load.hold(subject, STREAMS).await?;
        *figure = subject.memory()?.saturating_sub(before) as f64 / STREAMS as f64 / 1024.0;
        drop(replies);
    }
    let [ours, floor] = figures;
    Ok(Row::new(
        "memory per stream, 1,000 at once",
        "KiB",
        &[ours],
        &[],
        &[floor],
        &[Budget::AtMost(128.0)],
    ))
}
