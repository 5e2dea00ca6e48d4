//! What an event costs on its way through a plugin, by the representation in which events and
//! chunks cross. Every way ends with the same MessagePack in the host; times are per event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Duration;

use chunks_guest::conversion::{
    self, Alternative, PromptTokensDetails, Usage, chunk_to_msgpack, event_from_json,
};
use criterion::{Criterion, criterion_group, criterion_main};
use dynamo_host_stages::sample::{BATCHES, SAMPLES};
use dynamo_host_stages::{component, timed};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use exports::bench::chunks::converters as wit;

wasmtime::component::bindgen!({
    path: "guest/wit",
    world: "chunks",
    exports: { default: async },
    require_store_data_send: true,
});

/// A representation of events and one of chunks.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// No plugin: the floor.
    Native,
    /// The contract's.
    JsonToMsgpack,
    /// The host transcodes.
    JsonToJson,
    /// The host encodes.
    JsonToRecord,
    /// The host parses.
    RecordToMsgpack,
    /// The host parses and encodes.
    RecordToRecord,
}

const WAYS: [(Way, &str); 6] = [
    (Way::Native, "native"),
    (Way::JsonToMsgpack, "json_to_msgpack"),
    (Way::JsonToJson, "json_to_json"),
    (Way::JsonToRecord, "json_to_record"),
    (Way::RecordToMsgpack, "record_to_msgpack"),
    (Way::RecordToRecord, "record_to_record"),
];

fn chunks(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut guest = runtime.block_on(Guest::start(&component("chunks-guest")));
    for (sample, batch) in SAMPLES.iter().flat_map(|sample| BATCHES.map(|batch| (sample, batch))) {
        let events = sample.batch(batch);
        let expected = runtime.block_on(guest.convert(Way::Native, &events));
        let mut group = criterion.benchmark_group(format!("{}/{batch}", sample.name));
        for (way, name) in WAYS {
            assert_eq!(runtime.block_on(guest.convert(way, &events)), expected, "{way:?}");
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|calls| {
                    runtime.block_on(timed(calls, batch, async || {
                        black_box(guest.convert(way, black_box(&events)).await);
                    }))
                });
            });
        }
        group.finish();
    }
}

/// An instance of the bench's component, set up like one of the plugin runtime's.
struct Guest {
    store: Store<State>,
    exports: Chunks,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Guest {
    async fn start(path: &Path) -> Self {
        let mut config = Config::new();
        config.wasm_component_model(true).epoch_interruption(true).allocation_strategy(
            InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::default()),
        );
        let engine = Engine::new(&config).unwrap();
        let ticking = engine.weak();
        thread::spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(10));
            }
        });

        let component = Component::from_file(&engine, path).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&engine, state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
        let exports = Chunks::instantiate_async(&mut store, &component, &linker).await.unwrap();
        Guest { store, exports }
    }

    /// Takes events as they came off the wire to chunks as they go onto it.
    async fn convert(&mut self, way: Way, events: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let store = &mut self.store;
        let converters = self.exports.bench_chunks_converters();
        match way {
            Way::Native => events
                .iter()
                .map(|event| chunk_to_msgpack(&event_from_json(event).unwrap().into()).unwrap())
                .collect(),
            Way::JsonToMsgpack => converters.call_json_to_msgpack(store, events).await.unwrap(),
            Way::JsonToJson => {
                let chunks = converters.call_json_to_json(store, events).await.unwrap();
                chunks.iter().map(|chunk| transcode(chunk)).collect()
            }
            Way::JsonToRecord => {
                encode(converters.call_json_to_record(store, events).await.unwrap())
            }
            Way::RecordToMsgpack => {
                converters.call_record_to_msgpack(store, &parse(events)).await.unwrap()
            }
            Way::RecordToRecord => {
                encode(converters.call_record_to_record(store, &parse(events)).await.unwrap())
            }
        }
    }
}

fn transcode(json: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(json.len());
    serde_transcode::transcode(
        &mut serde_json::Deserializer::from_slice(json),
        &mut rmp_serde::Serializer::new(&mut bytes),
    )
    .unwrap();
    bytes
}

fn parse(events: &[Vec<u8>]) -> Vec<wit::Event> {
    events.iter().map(|event| event_from_json(event).unwrap().into()).collect()
}

fn encode(chunks: Vec<wit::Chunk>) -> Vec<Vec<u8>> {
    chunks.into_iter().map(|chunk| chunk_to_msgpack(&chunk.into()).unwrap()).collect()
}

impl From<conversion::Event> for wit::Event {
    fn from(event: conversion::Event) -> Self {
        let meta = event.meta_info;
        wit::Event {
            index: event.index,
            token_ids: event.output_ids,
            finish: meta.finish_reason.map(|finish| finish.kind),
            prompt_tokens: meta.prompt_tokens,
            completion_tokens: meta.completion_tokens,
            cached_tokens: meta.cached_tokens,
            logprobs: meta.output_token_logprobs.map(logprobs),
            top_logprobs: meta
                .output_top_logprobs
                .map(|positions| positions.into_iter().map(logprobs).collect()),
        }
    }
}

fn logprobs(entries: Vec<conversion::Logprob>) -> Vec<wit::Logprob> {
    entries
        .into_iter()
        .map(|conversion::Logprob(value, token_id, text)| wit::Logprob { value, token_id, text })
        .collect()
}

impl From<wit::Chunk> for conversion::Chunk {
    fn from(chunk: wit::Chunk) -> Self {
        conversion::Chunk {
            index: chunk.index,
            token_ids: chunk.token_ids,
            finish_reason: chunk.finish,
            log_probs: chunk.logprobs,
            top_logprobs: chunk
                .top_logprobs
                .map(|positions| positions.into_iter().map(alternatives).collect()),
            completion_usage: Usage {
                prompt_tokens: chunk.usage.prompt_tokens,
                completion_tokens: chunk.usage.completion_tokens,
                total_tokens: chunk.usage.total_tokens,
                prompt_tokens_details: PromptTokensDetails {
                    cached_tokens: chunk.usage.cached_tokens,
                },
            },
        }
    }
}

fn alternatives(entries: Vec<wit::Alternative>) -> Vec<Alternative> {
    entries
        .into_iter()
        .map(|wit::Alternative { rank, token_id, token, logprob }| Alternative {
            rank,
            token_id,
            token,
            logprob,
        })
        .collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1));
    targets = chunks
}
criterion_main!(benches);
