//! A stand-in for SGLang's server that costs nothing: it answers with events SGLang has sent before,
//! as fast as they are read.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use dynamo_host_stages::sample::{LEAN, Sample, TOP_LOGPROBS};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::BenchError;

/// `max_new_tokens` of a request whose answer stops after its first event, and stays open.
pub const HELD: u32 = 1_000_000;

/// The length of its videos.
pub const VIDEO_BYTES: usize = 100_000_000;

/// One event of an answer, and the last one.
struct Events {
    next: Bytes,
    last: Bytes,
    tokens: u32,
}

/// One token, and two with their 20 likeliest alternatives: see `host/benches/README.md`.
struct Recorded {
    lean: Events,
    top_logprobs: Events,
}

/// Starts the engine; returns its URL. It runs until the process ends.
pub async fn start() -> Result<String, BenchError> {
    let recorded =
        Arc::new(Recorded { lean: Events::of(&LEAN), top_logprobs: Events::of(&TOP_LOGPROBS) });
    // What the workers look at; the rest of what SGLang says about itself changes nothing here.
    let about = json!({
        "disaggregation_mode": "null", "incremental_streaming_output": true, "page_size": 16,
        "skip_tokenizer_init": true, "max_total_num_tokens": 1_000_000, "context_length": 131_072,
        "internal_states": [{}],
    });
    let model = json!({"is_generation": true, "model_type": "llama", "context_length": 131_072});
    let routes = Router::new()
        .route("/ready", get(async || "ready"))
        .route("/health", get(async || "healthy"))
        .route("/server_info", get(async move || Json(about)))
        .route("/model_info", get(async move || Json(model)))
        .route("/abort_request", post(async || "aborted"))
        .route("/generate", post(generate))
        .route("/v1/videos", post(async || Json(job("queued"))))
        .route("/v1/videos/bench", get(async || Json(job("completed"))))
        .route("/v1/videos/bench/content", get(video))
        .with_state(recorded);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

fn job(status: &str) -> Value {
    json!({"id": "bench", "object": "video", "status": status, "inference_time_s": 0.0})
}

/// In the pieces in which a file is read.
async fn video() -> Response {
    const PIECE: usize = 64 << 10;
    let piece = Bytes::from(vec![7; PIECE]);
    let last = piece.slice(..VIDEO_BYTES % PIECE);
    let pieces = stream::repeat(piece).take(VIDEO_BYTES / PIECE).chain(stream::iter([last]));
    let mut response = Response::new(Body::from_stream(pieces.map(Ok::<_, Infallible>)));
    let content_type = axum::http::HeaderValue::from_static("video/mp4");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

async fn generate(State(recorded): State<Arc<Recorded>>, Json(body): Json<Value>) -> Response {
    let tokens = body["sampling_params"]["max_new_tokens"].as_u64().unwrap_or(1) as u32;
    let events = match body["top_logprobs_num"].as_u64() {
        Some(1..) => &recorded.top_logprobs,
        _ => &recorded.lean,
    };
    let answer = if tokens == HELD {
        let first = events.next.clone();
        Body::from_stream(
            stream::once(async { Ok::<_, Infallible>(first) }).chain(stream::pending()),
        )
    } else {
        let before = tokens.div_ceil(events.tokens).saturating_sub(1) as usize;
        let (next, last) = (events.next.clone(), events.last.clone());
        let all = stream::repeat(next).take(before).chain(stream::iter([last]));
        Body::from_stream(all.map(Ok::<_, Infallible>))
    };
    let mut response = Response::new(answer);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("text/event-stream"));
    response
}

impl Events {
    fn of(sample: &Sample) -> Self {
        let last = [&sample.sent_last()[..], b"data: [DONE]\n\n"].concat().into();
        Events { next: sample.sent(), last, tokens: sample.tokens }
    }
}
