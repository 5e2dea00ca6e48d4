//! Requests that behave, and what becomes of them meanwhile.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::Failure;
use dynamo_host_plugin::{Blob, MediaAccess, MediaLimits};
use dynamo_host_request::{Codec, Exchange, Incoming, Reply, Worker};
use serde_json::json;
use tokio::task::JoinHandle;

/// Neighbours at once, and the events each is answered with.
const NEIGHBOURS: usize = 4;
const EVENTS: usize = 16;

/// An engine that answers at once: 16 events one after another, or a refusal.
pub struct PromptEngine;

pub struct PromptReply {
    status: u16,
    left: usize,
}

impl Exchange for PromptEngine {
    type Reply = PromptReply;

    async fn send(&self, call: Call) -> Result<PromptReply, EngineError> {
        let status = if call.path == "/refuse" { 400 } else { 200 };
        Ok(PromptReply { status, left: EVENTS })
    }
}

impl Reply for PromptReply {
    fn status(&self) -> u16 {
        self.status
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, _: usize) -> Result<usize, EngineError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(0) };
        self.left = left;
        batch.push(Bytes::from_static(b"a token"));
        Ok(1)
    }

    fn content_type(&self) -> Option<&str> {
        None
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        unreachable!("no call here asks for media")
    }

    async fn whole(self, _: usize) -> Result<Bytes, EngineError> {
        Ok(Bytes::from_static(b"refused"))
    }
}

/// Fetches whatever is asked for, as often as it is.
pub struct BlobsWithoutEnd;

#[async_trait]
impl MediaAccess for BlobsWithoutEnd {
    async fn fetch(&self, _: &str, _: MediaLimits) -> Result<Blob, Failure> {
        Ok(Blob::new("image/png", Bytes::from_static(b"x")))
    }

    async fn store(&self, _: &str, _: &Blob) -> Result<String, Failure> {
        unreachable!("nothing here stores")
    }
}

/// One response, taken to its end.
pub async fn respond(
    worker: Arc<Worker<PromptEngine>>,
    attack: &str,
    export: &str,
) -> Result<(), Failure> {
    let payload = json!({"attack": attack, "export": export}).to_string().into();
    let incoming = Incoming {
        id: "1".into(),
        payload,
        codec: Codec::Json,
        trace_headers: Vec::new(),
        probe: false,
        cancelled: Box::pin(pending()),
    };
    let mut response = worker.respond(incoming).await?;
    while let Some(chunk) = response.next().await {
        chunk?;
    }
    Ok(())
}

/// What neighbours saw in some time.
#[derive(Default)]
pub struct Seen {
    pub times: Vec<Duration>,
    pub failures: usize,
}

impl Seen {
    fn saw(&mut self, time: Duration, failed: bool) {
        self.times.push(time);
        self.failures += usize::from(failed);
    }

    /// The slowest of a hundred, in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        let slow = times.get(times.len() * 99 / 100).or(times.last());
        slow.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// Clients that ask again and again.
pub struct Neighbours {
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<usize>>,
}

impl Neighbours {
    pub fn start(worker: Arc<Worker<PromptEngine>>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let over = Arc::new(AtomicBool::new(false));
        let tasks = (0..NEIGHBOURS).map(|_| {
            let (worker, seen, over) = (worker.clone(), seen.clone(), over.clone());
            tokio::spawn(async move {
                let mut served = 0;
                while !over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let answered = respond(worker.clone(), "", "").await;
                    seen.lock().unwrap().saw(began.elapsed(), answered.is_err());
                    served += 1;
                    // As many as come by, not as many as the machine can.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                served
            })
        });
        Neighbours { tasks: tasks.collect(), seen, over }
    }

    /// What they see while `attack` goes on.
    pub async fn during<T>(&self, attack: impl Future<Output = T>) -> (T, Seen) {
        self.take();
        let came_of_it = attack.await;
        (came_of_it, self.take())
    }

    pub async fn since(&self, time: Duration) -> Seen {
        self.during(tokio::time::sleep(time)).await.1
    }

    /// Ends them; how many were served.
    pub async fn stop(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        let mut served = 0;
        for task in self.tasks {
            served += task.await.unwrap();
        }
        served
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// Memory of this process, in bytes.
pub fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
