//! The time of each stage alone, per event where there are events. `stages/instance` and
//! `stages/plan` are what a request costs in the plugin runtime before its first one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dynamo_host_kv::{Decoder, Ledger};
use dynamo_host_plugin::{Limits, Runtime};
use dynamo_host_stages::decode::Decode;
use dynamo_host_stages::sample::{self, BATCHES, BLOCK_SIZE, LEAN, SAMPLES};
use dynamo_host_stages::{component, stage, timed};

/// Too long to be copied anywhere without being noticed.
const PROMPT_TOKENS: u32 = 32_000;
/// Blocks of a prompt of 2,048 tokens.
const BLOCKS: u32 = 128;

fn host(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("host");
    for (name, per_frame) in [("alone", 1), ("of_16", 16)] {
        let frames = LEAN.frames(64, per_frame);
        group.throughput(Throughput::Elements(64));
        group.bench_function(format!("scan/{name}"), |bencher| {
            bencher.iter(|| stage::scan(black_box(&frames)));
        });
    }
    let payload = sample::payload(PROMPT_TOKENS);
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("take_apart", |bencher| {
        bencher.iter(|| stage::take_apart(black_box(&payload)));
    });
    group.bench_function("copy_of_the_same", |bencher| {
        bencher.iter(|| black_box(&payload).to_vec())
    });
    let ids: Vec<u32> = (0..PROMPT_TOKENS).collect();
    let body = br#"{"sampling_params":{"temperature":0.7},"stream":true}"#;
    let spliced = stage::splice_ids(body, &ids);
    group.throughput(Throughput::Bytes(spliced.len() as u64));
    group.bench_function("splice", |bencher| {
        bencher.iter(|| stage::splice_ids(black_box(body), black_box(&ids)));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("frame", |bencher| {
        bencher.iter(|| stage::frame(black_box(b"\x81\xa5index\x00")))
    });
    group.finish();
}

fn plugin(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runtime = Runtime::new(Limits::default()).unwrap();
    let decode = tokio.block_on(Decode::load(&runtime, &component("decode")));
    let prompt: Arc<[u32]> = (0..PROMPT_TOKENS).collect();

    let mut group = criterion.benchmark_group("decode");
    group.bench_function("instance", |bencher| {
        bencher.iter_custom(|calls| {
            tokio.block_on(timed(calls, 1, async || {
                black_box(decode.plugin.session().await.unwrap());
            }))
        });
    });
    group.bench_function("instance_and_plan", |bencher| {
        bencher.iter_custom(|calls| {
            tokio.block_on(timed(calls, 1, async || {
                black_box(decode.planned(prompt.clone()).await);
            }))
        });
    });
    for (sample, batch) in SAMPLES.iter().flat_map(|sample| BATCHES.map(|batch| (sample, batch))) {
        let events = sample.batch(batch);
        let mut session = tokio.block_on(decode.planned(prompt.clone()));
        let converted = tokio.block_on(session.push(&events)).unwrap();
        assert_eq!(converted.chunks.len(), batch, "every event makes a chunk");
        group.bench_function(format!("push/{}/{batch}", sample.name), |bencher| {
            bencher.iter_custom(|calls| {
                tokio.block_on(timed(calls, batch, async || {
                    black_box(session.push(black_box(&events)).await.unwrap());
                }))
            });
        });
    }
    group.finish();
}

fn kv(criterion: &mut Criterion) {
    let batch = sample::kv_batch(1, BLOCKS);
    let mut group = criterion.benchmark_group("kv");
    group.throughput(Throughput::Elements(u64::from(BLOCKS)));
    let mut decoder = Decoder::new(BLOCK_SIZE);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| stage::decode_kv(&mut decoder, black_box(&batch)));
    });
    let mut ledger = Ledger::new(1, 0);
    let mut events = Vec::new();
    group.bench_function("decode_and_enter", |bencher| {
        bencher.iter(|| {
            for change in decoder.decode(&batch).unwrap().changes {
                ledger.enter(change, &mut events);
            }
            events.clear();
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = host, plugin, kv
}
criterion_main!(benches);
