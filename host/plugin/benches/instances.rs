//! What a request costs in the plugin runtime, with the plugin `decode`: an instance of its own, a
//! plan, and each event after that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use common::{BATCHES, SAMPLES, component, timed};
use criterion::{Criterion, criterion_group, criterion_main};
use dynamo_host_plugin::{
    Artifact, EngineReport, Fresh, Grant, Grants, Held, Limits, Plugin, Request, Runtime,
};

/// Too long to be copied anywhere without being noticed.
const PROMPT_TOKENS: u32 = 32_000;

fn instances(criterion: &mut Criterion) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (plugin, state) = tokio.block_on(decode());
    let request = request();
    let prompt: Arc<[u32]> = (0..PROMPT_TOKENS).collect();

    let mut group = criterion.benchmark_group("decode");
    group.bench_function("instance", |bencher| {
        bencher.iter_custom(|calls| {
            tokio.block_on(timed(calls, 1, async || {
                black_box(plugin.session().await.unwrap());
            }))
        });
    });
    group.bench_function("instance_and_plan", |bencher| {
        bencher.iter_custom(|calls| {
            tokio.block_on(timed(calls, 1, async || {
                let mut session = plugin.session().await.unwrap();
                black_box(
                    session.plan(&state, &request, prompt.clone(), Held::default()).await.unwrap(),
                );
            }))
        });
    });
    for (sample, batch) in SAMPLES.iter().flat_map(|sample| BATCHES.map(|batch| (sample, batch))) {
        let events = sample.batch(batch);
        let mut session = tokio.block_on(plugin.session()).unwrap();
        tokio.block_on(session.plan(&state, &request, prompt.clone(), Held::default())).unwrap();
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

/// The plugin, and what its `configure` made of an engine's report.
async fn decode() -> (Plugin, Vec<u8>) {
    let runtime = Runtime::new(Limits::default()).unwrap();
    let artifact = Artifact::read(&component("decode")).await.unwrap();
    let plugin = Plugin::load(&runtime, &artifact, &Grants::only(Grant::ALL)).await.unwrap();
    let report = EngineReport {
        model_path: "/models/llama".into(),
        served_name: "llama".into(),
        address: "127.0.0.1".into(),
        answers: vec![("/server_info".into(), br#"{"disaggregation_mode":"null"}"#.to_vec())],
        files: vec![("config.json".into(), br#"{"vocab_size":32000}"#.to_vec())],
    };
    let configured = plugin.configure(&b"{}".to_vec(), report).await.unwrap();
    (plugin, configured.state)
}

fn request() -> Request {
    let body = r#"{"model":"llama","stop_conditions":{"max_tokens":512,"stop_token_ids":[2]},
        "sampling_options":{"temperature":0.7,"top_p":0.9},"output_options":{"logprobs":20},
        "eos_token_ids":[2],"annotations":[]}"#;
    Request {
        id: "client-chosen".into(),
        body: body.into(),
        token_count: Some(PROMPT_TOKENS),
        trace_headers: Vec::new(),
        adapters: Vec::new(),
        probe: false,
        fresh: Fresh {
            request_id: "0123456789abcdef0123456789abcdef".into(),
            bootstrap_room: 1 << 60,
            seed: 7,
            unix_millis: 1_700_000_000_000,
        },
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = instances
}
criterion_main!(benches);
