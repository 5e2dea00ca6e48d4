//! The plugin runtime alone, in this process: no worker, no network.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dynamo_host_plugin::{Limits, Runtime};
use dynamo_host_stages::decode::Decode;
use dynamo_host_stages::sample::{self, BATCHES, LEAN};
use dynamo_host_stages::{stage, timed};

use crate::error::BenchError;
use crate::process::memory;
use crate::report::{Budget, Row};

/// Times a call is repeated for one figure.
const CALLS: u64 = 2_000;
/// Instances at once for the memory of one.
const INSTANCES: usize = 500;
/// Tokens of a long prompt and of a short one.
const LONG: u32 = 32_000;
const SHORT: u32 = 100;

pub async fn rows(plugin: &Path, rounds: usize) -> Result<Vec<Row>, BenchError> {
    let runtime = Runtime::new(Limits::default())?;
    let decode = Decode::load(&runtime, plugin).await;
    // Once, before the pool has pages that it keeps.
    let size = size(&decode).await?;
    let mut figures: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        let round = [
            token(&decode, BATCHES[0]).await?,
            token(&decode, BATCHES[1]).await?,
            instance(&decode).await,
            plan(&decode, LONG).await / plan(&decode, SHORT).await,
            host_part(),
        ];
        for (figures, figure) in figures.iter_mut().zip(round) {
            figures.push(figure);
        }
    }
    let names = [
        ("the plugin's part of a token, alone", "us", 2.0),
        ("the same in a batch of 16", "us", 1.0),
        ("an instance of a plugin, made and dropped", "us", 30.0),
        ("the plugin's part of a plan, 32,000 tokens to 100", "x", 1.1),
        ("the host's part of a plan of 32,000 tokens, to a copy of its body", "x", 3.0),
    ];
    let rows = names.iter().zip(&figures);
    let rows = rows.map(|((name, unit, most), ours)| {
        Row::new(name, unit, ours, &[], &[], &[Budget::AtMost(*most)])
    });
    let size = Row::new("memory of an instance", "KiB", &[size], &[], &[], &[Budget::AtMost(80.0)]);
    Ok(rows.chain([size]).collect())
}

fn micros(time: Duration, calls: u64) -> f64 {
    time.as_secs_f64() * 1e6 / calls as f64
}

fn prompt(tokens: u32) -> Arc<[u32]> {
    (1..=tokens).collect()
}

async fn token(decode: &Decode, batch: usize) -> Result<f64, BenchError> {
    let events = LEAN.batch(batch);
    let mut session = decode.planned(prompt(SHORT)).await;
    let mut chunks = 0;
    let time = timed(CALLS, batch, async || {
        chunks += session.push(&events).await.map_or(0, |converted| converted.chunks.len());
    })
    .await;
    let wanted = batch * CALLS as usize;
    match chunks == wanted {
        true => Ok(micros(time, CALLS)),
        false => Err(BenchError::Short { subject: "the plugin".into(), got: chunks, wanted }),
    }
}

async fn instance(decode: &Decode) -> f64 {
    let time = timed(CALLS, 1, async || {
        black_box(decode.plugin.session().await.is_ok());
    });
    micros(time.await, CALLS)
}

/// Of one that has planned.
async fn size(decode: &Decode) -> Result<f64, BenchError> {
    let before = memory(std::process::id())?;
    let prompt = prompt(SHORT);
    let mut held = Vec::with_capacity(INSTANCES);
    for _ in 0..INSTANCES {
        held.push(decode.planned(prompt.clone()).await);
    }
    Ok(memory(std::process::id())?.saturating_sub(before) as f64 / INSTANCES as f64 / 1024.0)
}

/// Less the instance.
async fn plan(decode: &Decode, tokens: u32) -> f64 {
    let prompt = prompt(tokens);
    let time = timed(CALLS, 1, async || {
        black_box(decode.planned(prompt.clone()).await);
    });
    micros(time.await, CALLS) - instance(decode).await
}

/// Reading a payload and writing the call, to copying the call.
fn host_part() -> f64 {
    const TIMES: u64 = 200;
    let payload = sample::payload(LONG);
    let body = br#"{"stream":true}"#;
    let (mut ours, mut copies) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..TIMES {
        let began = std::time::Instant::now();
        let taken = stage::take_apart(black_box(&payload));
        let call = stage::splice_ids(body, taken.token_ids.as_deref().unwrap_or_default());
        let done = began.elapsed();
        black_box(black_box(&call).to_vec());
        copies += began.elapsed() - done;
        ours += done;
    }
    ours.as_secs_f64() / copies.as_secs_f64()
}
