//! Requests as the frontend sends them, over Dynamo's own request plane.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dynamo_host_failure::Failure;
use dynamo_host_plane::{Discovery, PeerReply, Peers, Plane, PlaneConfig};
use futures::future::try_join_all;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::engine::HELD;
use crate::error::BenchError;
use crate::process::Subject;

/// Chunks taken at once.
const MANY: usize = 64;

/// Sends requests.
pub struct Load {
    peers: Peers,
    /// Requests so far, by which they are told apart.
    asked: AtomicU64,
    _plane: Plane,
}

/// What a request asks for.
#[derive(Clone, Copy)]
pub struct Ask {
    /// Tokens of its prompt.
    pub prompt: u32,
    /// Tokens of its answer.
    pub tokens: u32,
    /// Whether each comes with its 20 likeliest alternatives.
    pub logprobs: bool,
}

impl Ask {
    /// An ordinary prompt, and so many tokens.
    pub const fn tokens(tokens: u32) -> Self {
        Ask { prompt: 119, tokens, logprobs: false }
    }

    /// As the frontend writes it.
    fn body(self) -> Vec<u8> {
        let mut body = json!({
            "model": "bench", "token_ids": (1..=self.prompt).collect::<Vec<u32>>(),
            "stop_conditions": {"max_tokens": self.tokens, "ignore_eos": true},
            "sampling_options": {"temperature": 0.0}, "output_options": {},
            "eos_token_ids": [2], "annotations": [],
        });
        if self.logprobs {
            body["output_options"] = json!({"logprobs": 20});
        }
        body.to_string().into_bytes()
    }
}

/// What is counted of a chunk.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    token_ids: Vec<u32>,
    top_logprobs: Option<Vec<IgnoredAny>>,
}

impl Load {
    /// Joins Dynamo in the directory `discovery`.
    pub async fn start(discovery: &Path) -> Result<Self, BenchError> {
        let discovery = Discovery::File(Some(discovery.to_owned()));
        let config = PlaneConfig { discovery, ..PlaneConfig::default() };
        let plane = Plane::connect(config).await?;
        Ok(Load { peers: plane.peers(), asked: AtomicU64::new(0), _plane: plane })
    }

    async fn open(&self, subject: &Subject, ask: Ask) -> Result<PeerReply, BenchError> {
        self.send(subject, ask.body()).await
    }

    async fn send(&self, subject: &Subject, body: Vec<u8>) -> Result<PeerReply, BenchError> {
        let endpoint = subject.endpoint.parse()?;
        let id = format!("bench-{}", self.asked.fetch_add(1, Ordering::Relaxed));
        let opened = self.peers.open(&endpoint, id, body);
        opened.await.map_err(|failure| failed(subject, failure))
    }

    /// Any request to its end: the bytes of the answer.
    pub async fn whole(&self, subject: &Subject, body: Vec<u8>) -> Result<usize, BenchError> {
        let mut reply = self.send(subject, body).await?;
        let mut bytes = 0;
        loop {
            let chunks = reply.next(MANY).await.map_err(|failure| failed(subject, failure))?;
            if chunks.is_empty() {
                return Ok(bytes);
            }
            bytes += chunks.iter().map(|chunk| chunk.len()).sum::<usize>();
        }
    }

    /// One response to its end, which has as many tokens as were asked for. When its first chunk
    /// came.
    pub async fn respond(&self, subject: &Subject, ask: Ask) -> Result<Duration, BenchError> {
        let began = Instant::now();
        let mut reply = self.open(subject, ask).await?;
        let (mut first, mut got, mut told) = (None, 0, 0);
        loop {
            let chunks = reply.next(MANY).await.map_err(|failure| failed(subject, failure))?;
            if chunks.is_empty() {
                break;
            }
            first.get_or_insert_with(|| began.elapsed());
            for chunk in chunks {
                let chunk: Chunk = rmp_serde::from_slice(&chunk)
                    .map_err(|error| failed(subject, Failure::internal(error.to_string())))?;
                got += chunk.token_ids.len();
                told += chunk.top_logprobs.map_or(0, |alternatives| alternatives.len());
            }
        }
        let wanted = ask.tokens as usize;
        for got in if ask.logprobs { vec![got, told] } else { vec![got] } {
            if got != wanted {
                return Err(BenchError::Short { subject: subject.name.into(), got, wanted });
            }
        }
        Ok(first.unwrap_or_default())
    }

    /// `streams` clients at once, each with `requests` one after another.
    pub async fn burst(
        &self,
        subject: &Subject,
        streams: usize,
        requests: usize,
        ask: Ask,
    ) -> Result<(), BenchError> {
        let clients = (0..streams).map(async |_| {
            for _ in 0..requests {
                self.respond(subject, ask).await?;
            }
            Ok::<_, BenchError>(())
        });
        try_join_all(clients).await.map(drop)
    }

    /// `streams` responses that stand still after their first chunk.
    pub async fn hold(
        &self,
        subject: &Subject,
        streams: usize,
    ) -> Result<Vec<PeerReply>, BenchError> {
        let mut held = Vec::with_capacity(streams);
        for _ in 0..streams {
            let mut reply = self.open(subject, Ask::tokens(HELD)).await?;
            reply.next(1).await.map_err(|failure| failed(subject, failure))?;
            held.push(reply);
        }
        Ok(held)
    }
}

fn failed(subject: &Subject, failure: Failure) -> BenchError {
    BenchError::Request { subject: subject.name.into(), failure }
}
