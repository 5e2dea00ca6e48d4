//! The smallest worker: says the prompt back, one token at a time.
//!
//! ```text
//! cargo run -p dynamo-host-plane --example echo -- MODEL_DIR
//! DYN_DISCOVERY_BACKEND=file python -m dynamo.frontend --http-port 8000
//! curl localhost:8000/v1/completions -H 'content-type: application/json' \
//!     -d '{"model": "echo", "prompt": "hello world", "max_tokens": 8}'
//! ```
//!
//! `seed` 1 is refused, 2 fails on the way, 3 never ends until the client leaves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_failure::Failure;
use dynamo_host_plane::card::CardFacts;
use dynamo_host_plane::{
    Chunks, EndpointId, Handler, Plane, PlaneConfig, Request, ServeOptions, logging,
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::json;

/// What the worker needs to know of Dynamo's `PreprocessedRequest`.
#[derive(Deserialize)]
struct Prompt {
    token_ids: Vec<u32>,
    #[serde(default)]
    stop_conditions: Stop,
    #[serde(default)]
    sampling_options: Sampling,
}

#[derive(Default, Deserialize)]
struct Stop {
    max_tokens: Option<usize>,
}

#[derive(Default, Deserialize)]
struct Sampling {
    seed: Option<i64>,
}

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let prompt: Prompt = rmp_serde::from_slice(&request.body)
            .map_err(|error| Failure::invalid_request(format!("not a token request: {error}")))?;
        let seed = prompt.sampling_options.seed;
        if seed == Some(1) {
            return Err(Failure::invalid_request("seed 1 is not allowed here"));
        }
        let limit = prompt.stop_conditions.max_tokens.unwrap_or(16);
        let tokens = prompt.token_ids.into_iter().cycle();
        let tokens = tokens.take(if seed == Some(3) { usize::MAX } else { limit }).enumerate();
        let cancelled = request.cancelled;
        let chunks = stream::iter(tokens).then(move |(n, token)| {
            let cancelled = cancelled.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                if cancelled.is_cancelled() {
                    tracing::info!("the client left after {n} tokens");
                    return Err(Failure::new(
                        dynamo_host_failure::Kind::Cancelled,
                        "the client left",
                    ));
                }
                if seed == Some(2) && n == 2 {
                    return Err(Failure::unavailable("seed 2 fails on the way"));
                }
                let finish = (n + 1 == limit && seed != Some(3)).then_some("length");
                let chunk = json!({"token_ids": [token], "index": 0, "finish_reason": finish});
                match rmp_serde::to_vec_named(&chunk) {
                    Ok(bytes) => Ok(bytes.into()),
                    Err(error) => Err(Failure::internal(error.to_string())),
                }
            }
        });
        Ok(Box::pin(chunks))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    logging::init();
    let facts = CardFacts {
        display_name: "echo".to_owned(),
        model_dir: std::env::args_os().nth(1).map(Into::into),
        model_types: vec!["chat".to_owned(), "completions".to_owned()],
        worker_type: "aggregated".to_owned(),
        kv_cache_block_size: 16,
        ..CardFacts::default()
    };
    let card = facts.build()?;

    let plane = Plane::connect(PlaneConfig::default()).await?;
    let endpoint: EndpointId = "dyn://dynamo.backend.generate".parse()?;
    let options = ServeOptions {
        health_payload: Some(json!({"token_ids": [1], "stop_conditions": {"max_tokens": 1}})),
        labels: vec![("model".to_owned(), "echo".to_owned())],
        ..ServeOptions::default()
    };
    let served = plane.serve(endpoint, Arc::new(Echo), options).await?;
    served.probe().await?;
    served.publish_card(card).await?;
    plane.set_ready(true);

    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal?,
        () = plane.lost() => tracing::error!("Dynamo gave this process up"),
    }
    plane.set_ready(false);
    served.withdraw(Duration::ZERO).await?;
    served.drain(Duration::from_secs(10)).await;
    served.close().await?;
    plane.shutdown().await;
    Ok(())
}
