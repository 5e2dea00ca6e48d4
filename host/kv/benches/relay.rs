//! What the relay can carry: the decoding of a batch alone, with its entry in the ledger, and all
//! of the way from a socket to the event plane's door.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dynamo_host_kv::{Counters, Decoder, Ledger, Outlet, Outlets, Rank, Relay, Source};
use serde_json::json;
use tokio::sync::mpsc;

const BLOCK_SIZE: usize = 16;
/// A prompt of 2048 tokens.
const BLOCKS: usize = 128;

fn batch(number: u64) -> Vec<u8> {
    let hashes: Vec<u64> = (0..BLOCKS as u64).map(|block| number << 32 | block).collect();
    let tokens: Vec<u32> =
        (0..BLOCK_SIZE * BLOCKS).map(|token| token as u32 * 31 % 150_000).collect();
    let event = json!({
        "type": "BlockStored", "block_hashes": hashes, "parent_block_hash": null,
        "token_ids": tokens, "block_size": BLOCK_SIZE, "lora_id": null, "medium": "GPU",
    });
    rmp_serde::to_vec(&json!([0.0, [event], 0])).unwrap()
}

fn parts(criterion: &mut Criterion) {
    let payload = batch(1);
    let mut group = criterion.benchmark_group("kv");
    group.throughput(Throughput::Elements(BLOCKS as u64));
    let mut decoder = Decoder::new(BLOCK_SIZE as u32);
    group.bench_function("decode", |bencher| bencher.iter(|| decoder.decode(&payload).unwrap()));
    let mut ledger = Ledger::new(1, 0);
    let mut events = Vec::new();
    group.bench_function("decode_and_enter", |bencher| {
        bencher.iter(|| {
            for change in decoder.decode(&payload).unwrap().changes {
                ledger.enter(change, &mut events);
            }
            events.clear();
        });
    });
    group.finish();
}

struct Counted(mpsc::UnboundedSender<Instant>);

#[async_trait]
impl Outlet for Counted {
    async fn publish(&self, _: Vec<u8>) -> Result<(), String> {
        self.0.send(Instant::now()).map_err(|error| error.to_string())
    }
}

fn frames(number: u64) -> Vec<Vec<u8>> {
    vec![Vec::new(), number.to_be_bytes().to_vec(), batch(number)]
}

/// Publishes batches one by one, each when the one before has come through, as an engine does that
/// steps every few milliseconds; says how long each took, and then sends as fast as it goes.
fn whole(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/events", folder.path().display());
    let publisher = zmq::Context::new().socket(zmq::PUB).unwrap();
    publisher.set_sndhwm(0).unwrap();
    publisher.bind(&endpoint).unwrap();
    let (tell, mut heard) = mpsc::unbounded_channel();
    let rank = Rank {
        source: Source { endpoint: Some(endpoint), ..Source::default() },
        ledger: Arc::new(Mutex::new(Ledger::new(1, 0))),
        outlets: Outlets { events: Some(Arc::new(Counted(tell))), ..Outlets::default() },
    };
    let counters = Counters::new().unwrap();
    let relay =
        runtime.block_on(async { Relay::start(vec![rank], BLOCK_SIZE as u32, &counters) }).unwrap();
    let mut number = 0;
    while heard.try_recv().is_err() {
        publisher.send_multipart(frames(number), 0).unwrap();
        number += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    while heard.try_recv().is_ok() {}

    let mut delays: Vec<Duration> = (0..2000)
        .map(|_| {
            let frames = frames(number);
            number += 1;
            let sent = Instant::now();
            publisher.send_multipart(frames, 0).unwrap();
            runtime.block_on(heard.recv()).unwrap() - sent
        })
        .collect();
    delays.sort_unstable();
    let at = |part: usize| delays[delays.len() * part / 100 - 1];
    println!("kv/relay delay of {BLOCKS} blocks: p50 {:?}, p99 {:?}", at(50), at(99));

    const BATCHES: u64 = 4000;
    let all: Vec<_> = (number..number + BATCHES).map(frames).collect();
    let before = relayed(&counters);
    let start = Instant::now();
    for frames in all {
        publisher.send_multipart(frames, 0).unwrap();
    }
    while relayed(&counters) < before + BATCHES {
        runtime.block_on(heard.recv()).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("kv/relay: {:.0} blocks/s", BATCHES as f64 * BLOCKS as f64 / seconds);
    runtime.block_on(relay.stop());
}

/// How many events have been relayed.
fn relayed(counters: &Counters) -> u64 {
    let families = counters.collectors();
    let families = families.iter().flat_map(|collector| collector.collect());
    let events =
        families.into_iter().filter(|family| family.name() == "dynamo_host_kv_events_total");
    let metrics: Vec<_> = events.flat_map(|family| family.get_metric().to_vec()).collect();
    metrics.iter().map(|metric| metric.get_counter().value() as u64).sum()
}

criterion_group!(benches, parts, whole);
criterion_main!(benches);
