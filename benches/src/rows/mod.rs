//! The figures, one after another. Within each, every worker has its turn in every round.

mod cpu;
mod kv;
mod latency;
mod memory;
mod plugin;
mod swap;
mod video;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use dynamo_host_engine::{Client, Limits};
use tempfile::TempDir;
use tokio::process::Command;

use crate::Settings;
use crate::engine;
use crate::error::BenchError;
use crate::load::{Ask, Load};
use crate::process::{Subject, endpoint};
use crate::report::Table;

/// Requests one after another in each round of a figure about single requests.
const SINGLE: usize = 400;

/// Figures that are taken together.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Group {
    /// What tokens and requests cost, beside the peer and the floor.
    Requests,
    /// A host that comes up.
    Ready,
    /// A hot swap.
    Swap,
    /// A video of 100 MB.
    Video,
    /// The sandbox alone.
    Plugin,
    /// The KV relay.
    Kv,
}

/// The three that are compared.
struct Subjects {
    ours: Subject,
    peer: Subject,
    floor: Subject,
}

/// Measures all of it.
pub async fn run(settings: &Settings) -> Result<(), BenchError> {
    let place = TempDir::with_prefix("dynamo-host-bench-")?;
    let mut table = Table::begin();
    let measured = measure(settings, place.path(), &mut table).await;
    if measured.is_err() {
        // What the workers have said tells why.
        eprintln!("bench: the workers' output is in {}", place.keep().display());
    }
    measured?;
    table.write(&settings.summary)
}

async fn measure(settings: &Settings, place: &Path, table: &mut Table) -> Result<(), BenchError> {
    let discovery = place.join("discovery");
    let load = Load::start(&discovery).await?;
    let engine_url = engine::start().await?;
    let decode = settings.plugins.join("decode.wasm");
    let rounds = settings.rounds;
    let host = |plugin: &Path| host(settings, plugin, &engine_url, &discovery);
    let wanted = |group: Group| settings.only.is_empty() || settings.only.contains(&group);

    if wanted(Group::Requests) {
        let subjects =
            start(settings, host(&decode), &engine_url, &discovery, place, &load).await?;
        // Before anything has filled the pools that streams are held in.
        table.add(memory::rows(&subjects, &load).await?);
        table.add(cpu::rows(&subjects, rounds, &load).await?);
        table.add(latency::first_token(&subjects, rounds, &load, &engine_url).await?);
        let Subjects { ours, peer, floor } = subjects;
        for subject in [ours, peer, floor] {
            subject.stop().await?;
        }
    }
    if wanted(Group::Ready) {
        table.add([latency::ready(|| host(&decode), rounds, place).await?]);
    }
    if wanted(Group::Swap) {
        let swapped = place.join("swapped.wasm");
        tokio::fs::copy(&decode, &swapped).await?;
        table.add(swap::rows(host(&swapped), &swapped, rounds, &load, place).await?);
    }
    if wanted(Group::Video) {
        let videos = settings.plugins.join("video_generation.wasm");
        table.add(video::rows(host(&videos), rounds, &load, place).await?);
    }
    if wanted(Group::Plugin) {
        table.add(plugin::rows(&decode, rounds).await?);
    }
    if wanted(Group::Kv) {
        table.add(kv::rows(rounds).await?);
    }
    Ok(())
}

/// A program on the discovery and the planes that all of them share.
fn worker(program: &Path, discovery: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("DYN_DISCOVERY_BACKEND", "file").env("DYN_FILE_KV", discovery);
    command.env("DYN_REQUEST_PLANE", "tcp").env("DYN_EVENT_PLANE", "zmq");
    command
}

/// The host, but for its endpoint.
fn host(settings: &Settings, plugin: &Path, engine_url: &str, discovery: &Path) -> Command {
    let mut command = worker(&settings.host, discovery);
    command.arg("--plugin").arg(plugin).arg("--model-path").arg(&settings.model_path);
    command.args(["--engine-url", engine_url]);
    command
}

async fn start(
    settings: &Settings,
    mut ours: Command,
    engine_url: &str,
    discovery: &Path,
    logs: &Path,
    load: &Load,
) -> Result<Subjects, BenchError> {
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

/// Gives `host` a system server; what calls it.
fn system_server(host: &mut Command) -> Result<Client, BenchError> {
    let port = free_port()?;
    host.env("DYN_SYSTEM_PORT", port.to_string());
    Ok(Client::new(&format!("http://{}:{port}", Ipv4Addr::LOCALHOST), Limits::default())?)
}

/// A port Dynamo takes for a system server: it knows none above.
fn free_port() -> io::Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (20_000..=32_767).find(free).ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

/// The middle and the slowest of a hundred, in seconds.
fn quantiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times.get(times.len() * part / 100).map_or(f64::NAN, Duration::as_secs_f64);
    (at(50), at(99))
}
