//! Components that attack the host, among requests that behave: who fails, and what it costs the
//! others.
//!
//! `make test-attack` prints the table. Times are shown, never asserted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../../plugin/tests/common/mod.rs"]
mod common;

#[path = "attack/neighbours.rs"]
mod neighbours;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{all_grants, component};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{EngineReport, Hooks, Limits, LoadError, Plugin, Runtime, Start};
use dynamo_host_request::{SystemFresh, Worker};
use futures::future::join_all;
use neighbours::{BlobsWithoutEnd, Neighbours, PromptEngine, resident, respond};
use serde_json::json;

/// How many attack at once, how often each, and for how long at least, so that neighbours come by.
const ATTACKERS: usize = 4;
const ROUNDS: usize = 2;
const LASTING: Duration = Duration::from_millis(400);

/// Bytes the process may have more after an attack than before, when all that was asked for is
/// given back: the pool keeps what its instances touched.
const KEPT: usize = 96 << 20;

fn limits() -> Limits {
    let short = Duration::from_millis(300);
    Limits { call: short, startup_call: short, instances: 200, ..Limits::default() }
}

/// What is to come of an attack.
#[derive(Clone, Copy)]
enum Outcome {
    /// The one who attacks fails, so.
    Fails(Kind),
    /// The same; or the deadline comes first, as it may where there is much to do.
    Works(Kind),
    /// It is served, and its excess is not; or the deadline comes first.
    Blunted,
}
use Outcome::{Blunted, Fails, Works};

impl Outcome {
    fn is(self, end: Option<&Failure>) -> bool {
        let kind = end.map(|end| end.kind);
        match self {
            Fails(expected) => kind == Some(expected),
            Works(expected) => kind == Some(expected) || kind == Some(Kind::DeadlineExceeded),
            Blunted => kind.is_none() || kind == Some(Kind::DeadlineExceeded),
        }
    }
}

/// On a request's way: attack, export, outcome.
const ON_A_REQUEST: [(&str, &str, Outcome); 21] = [
    ("loop", "plan", Fails(Kind::DeadlineExceeded)),
    ("loop", "push", Fails(Kind::DeadlineExceeded)),
    ("loop", "finish", Fails(Kind::DeadlineExceeded)),
    ("loop", "rejected", Fails(Kind::DeadlineExceeded)),
    ("trap", "plan", Fails(Kind::Internal)),
    ("trap", "push", Fails(Kind::Internal)),
    ("trap", "finish", Fails(Kind::Internal)),
    ("trap", "rejected", Fails(Kind::Internal)),
    ("memory", "plan", Works(Kind::Internal)),
    ("memory", "push", Works(Kind::Internal)),
    ("recursion", "plan", Works(Kind::Internal)),
    ("recursion", "push", Works(Kind::Internal)),
    ("large output", "push", Blunted),
    ("one chunk ten thousand times", "plan", Works(Kind::Internal)),
    ("one chunk ten thousand times", "push", Works(Kind::Internal)),
    ("a million log lines", "plan", Blunted),
    ("long log lines", "plan", Fails(Kind::DeadlineExceeded)),
    ("labels without end", "plan", Fails(Kind::DeadlineExceeded)),
    ("every handle", "plan", Works(Kind::Internal)),
    ("every handle", "push", Works(Kind::Internal)),
    ("another's handle", "plan", Works(Kind::Internal)),
];

/// Before requests, or beside them: attack and export.
const BESIDE_REQUESTS: [(&str, &str, Outcome); 7] = [
    ("loop", "prepare", Fails(Kind::DeadlineExceeded)),
    ("loop", "configure", Fails(Kind::DeadlineExceeded)),
    ("loop", "handle", Fails(Kind::DeadlineExceeded)),
    ("trap", "prepare", Fails(Kind::Internal)),
    ("trap", "configure", Fails(Kind::Internal)),
    ("trap", "handle", Fails(Kind::Internal)),
    ("memory", "configure", Works(Kind::Internal)),
];

/// What `configure` makes: nothing, in MessagePack.
const STATE: [u8; 1] = [0xc0];

async fn load(runtime: &Runtime, name: &str) -> Result<Plugin, LoadError> {
    let plugin = Plugin::load(runtime, &component(name).await, &all_grants()).await?;
    plugin.connect(Hooks { media: Some(Arc::new(BlobsWithoutEnd)), ..Hooks::default() });
    Ok(plugin)
}

fn worker(plugin: &Plugin) -> Arc<Worker<PromptEngine>> {
    Arc::new(Worker::new(plugin.clone(), STATE.to_vec(), PromptEngine, SystemFresh))
}

/// Runs `attack` from several sides, again and again; the failures it ended with.
async fn from_all_sides<F>(attack: impl Fn() -> F) -> Vec<Option<Failure>>
where
    F: Future<Output = Result<(), Failure>>,
{
    let began = Instant::now();
    let sides = (0..ATTACKERS).map(async |_| {
        let mut ends = Vec::new();
        while ends.len() < ROUNDS || began.elapsed() < LASTING {
            ends.push(attack().await.err());
        }
        ends
    });
    join_all(sides).await.concat()
}

async fn beside(plugin: &Plugin, attack: &str, export: &str) -> Result<(), Failure> {
    let order = json!({"attack": attack, "export": export}).to_string().into_bytes();
    match export {
        "prepare" => {
            let start = Start {
                settings: order,
                model_path: None,
                served_name: None,
                arguments: Vec::new(),
                host: "127.0.0.1".into(),
                port: 1,
                scratch: "/nowhere".into(),
            };
            plugin.prepare(start).await.map(drop)
        }
        "configure" => {
            let report = EngineReport {
                served_name: "m".into(),
                model_path: "m".into(),
                address: "127.0.0.1".into(),
                answers: Vec::new(),
                files: Vec::new(),
            };
            plugin.configure(&order, report).await.map(drop)
        }
        _ => plugin.handle_route("any", &STATE.to_vec(), &order).await.map(drop),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_fails_alone() {
    let runtime = Runtime::new(limits()).unwrap();
    let plugin = load(&runtime, "attacks").await.unwrap();
    let slow = load(&runtime, "slow_start").await.unwrap();
    let neighbours = Neighbours::start(worker(&plugin));

    // Warm the pool, so that what it keeps is no part of what an attack costs.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let usual = neighbours.since(Duration::from_secs(1)).await;
    println!(
        "| attack | in | outcome | neighbours' failures | their p99 (ms) | memory kept (MiB) |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    println!("| none | | | {} | {:.2} | |", usual.failures, usual.p99_ms());
    assert_eq!(usual.failures, 0, "the neighbours behave");

    for (attack, export, outcome) in ON_A_REQUEST {
        let before = resident();
        let (ends, seen) =
            neighbours.during(from_all_sides(|| respond(worker(&plugin), attack, export))).await;
        row(attack, export, &ends, &seen, before);
        assert!(ends.iter().all(|end| outcome.is(end.as_ref())), "{attack} in {export}: {ends:?}");
    }
    for (attack, export, outcome) in BESIDE_REQUESTS {
        let before = resident();
        let (ends, seen) =
            neighbours.during(from_all_sides(|| beside(&plugin, attack, export))).await;
        row(attack, export, &ends, &seen, before);
        assert!(ends.iter().all(|end| outcome.is(end.as_ref())), "{attack} in {export}: {ends:?}");
    }

    let before = resident();
    let slow = worker(&slow);
    let (ends, seen) = neighbours.during(from_all_sides(|| respond(slow.clone(), "", ""))).await;
    row("24 MiB touched", "instantiate", &ends, &seen, before);
    assert!(ends.iter().all(|end| Blunted.is(end.as_ref())), "{ends:?}");

    let before = resident();
    let endless = || async {
        match load(&runtime, "loops_in_describe").await {
            Err(LoadError::Describe { failure, .. }) => Err(failure),
            other => panic!("loaded, or refused for another reason: {other:?}"),
        }
    };
    let (ends, seen) = neighbours.during(from_all_sides(endless)).await;
    row("loop", "describe", &ends, &seen, before);
    assert!(ends.iter().all(|end| Fails(Kind::DeadlineExceeded).is(end.as_ref())), "{ends:?}");

    // Every instance is there for others again.
    let total = neighbours.stop().await;
    assert!(total > 0, "the neighbours were served");
    let all = join_all((0..limits().instances).map(|_| plugin.session())).await;
    assert!(all.iter().all(Result::is_ok), "an instance is lost");
}

/// Prints one line, and sees that nobody else noticed.
fn row(
    attack: &str,
    export: &str,
    ends: &[Option<Failure>],
    seen: &neighbours::Seen,
    before: usize,
) {
    let outcome = match &ends[0] {
        Some(failure) => failure.kind.class(),
        None => "served",
    };
    let kept = resident().saturating_sub(before);
    println!(
        "| {attack} | {export} | {outcome} | {} of {} | {:.2} | {} |",
        seen.failures,
        seen.times.len(),
        seen.p99_ms(),
        kept >> 20,
    );
    assert_eq!(seen.failures, 0, "{attack} in {export}: neighbours noticed");
    assert!(!seen.times.is_empty(), "{attack} in {export}: no neighbour was served");
    assert!(kept < KEPT, "{attack} in {export}: {kept} bytes are not given back");
}
