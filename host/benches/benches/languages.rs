//! What the same worker costs in each language: size, loading, an instance with its first request, each
//! event after that. The components are named by `COMPONENTS`, separated by colons.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dynamo_host_plugin::{
    Artifact, Cache, EngineReport, Grants, Held, Limits, Plugin, Runtime, Session,
};
use dynamo_host_stages::sample;

/// A token, as llama.cpp streams it.
const EVENT: &[u8] = br#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" Paris"}}],"created":1795465917,"id":"chatcmpl-0123456789","model":"m","object":"chat.completion.chunk"}"#;
const ROUNDS: usize = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Ok(components) = std::env::var("COMPONENTS") else {
        println!("COMPONENTS names none: nothing to measure");
        return;
    };
    println!(
        "component | MB | compile s | load from cache ms | instance + plan us | event us | of 16, each us"
    );
    for path in components.split(':') {
        measure(Path::new(path)).await;
    }
}

async fn measure(path: &Path) {
    let artifact = Artifact::read(path).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runtime = || {
        let limits = Limits { instances: 64, ..Limits::default() };
        Runtime::new(limits).unwrap().with_cache(Cache::open(folder.path()).unwrap())
    };
    let (cold, warm) = (runtime(), runtime());
    let (compiled, _) = timed(Plugin::load(&cold, &artifact, &Grants::default())).await;
    let (loaded, plugin) = timed(Plugin::load(&warm, &artifact, &Grants::default())).await;
    let plugin = plugin.unwrap();
    let report = EngineReport {
        model_path: "m".into(),
        served_name: "m".into(),
        address: "127.0.0.1".into(),
        answers: Vec::new(),
        files: Vec::new(),
    };
    let state = plugin.configure(&b"{}".to_vec(), report).await.unwrap().state;

    // An instance that is dropped is not used again: each of these is a new one.
    let begin = median(async || {
        let (time, session) = timed(begin(&plugin, &state)).await;
        drop(session);
        time
    })
    .await;
    let mut session = self::begin(&plugin, &state).await;
    let one = pushed(&mut session, 1).await;
    let sixteen = pushed(&mut session, 16).await / 16;
    println!(
        "{} | {:.2} | {:.2} | {:.2} | {:.1} | {:.2} | {:.2}",
        path.file_stem().unwrap().display(),
        artifact.bytes().len() as f64 / 1e6,
        compiled.as_secs_f64(),
        loaded.as_secs_f64() * 1e3,
        micros(begin),
        micros(one),
        micros(sixteen),
    );
}

async fn begin(plugin: &Plugin, state: &Vec<u8>) -> Session {
    let body = r#"{"messages":[{"role":"user","content":"What is the capital of France?"}]}"#;
    let request = sample::request(body, None);
    let mut session = plugin.session().await.unwrap();
    session.plan(state, &request, Arc::from([]), Held::default()).await.unwrap();
    session
}

async fn pushed(session: &mut Session, count: usize) -> Duration {
    let events = vec![EVENT.to_vec(); count];
    median(async || {
        let (time, output) = timed(session.push(&events)).await;
        assert_eq!(output.unwrap().chunks.len(), count);
        time
    })
    .await
}

async fn median(mut once: impl AsyncFnMut() -> Duration) -> Duration {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        times.push(once().await);
    }
    times.sort_unstable();
    times[ROUNDS / 2]
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let start = Instant::now();
    let done = work.await;
    (start.elapsed(), done)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
