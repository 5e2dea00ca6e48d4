//! What the relay of KV events can carry: from an engine's socket to the event plane's door.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dynamo_host_kv::{Counters, Ledger, Outlet, Outlets, Rank, Relay, Source};
use dynamo_host_stages::sample::{BLOCK_SIZE, kv_batch};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::quantiles;
use crate::error::BenchError;
use crate::report::{Budget, Row};

/// Blocks of a prompt of 2,048 tokens.
const BLOCKS: u32 = 128;
/// Batches sent one by one, and as fast as it goes.
const ONE_BY_ONE: u64 = 1_000;
const AT_ONCE: u64 = 4_000;

/// Says when an event reached it.
struct Arrivals(UnboundedSender<Instant>);

#[async_trait]
impl Outlet for Arrivals {
    async fn publish(&self, _: Vec<u8>) -> Result<(), String> {
        self.0.send(Instant::now()).map_err(|error| error.to_string())
    }
}

/// An engine that publishes, and the relay's end.
struct Line {
    engine: zmq::Socket,
    arrivals: UnboundedReceiver<Instant>,
    counters: Counters,
    published: u64,
}

pub async fn rows(rounds: usize) -> Result<[Row; 2], BenchError> {
    let folder = tempfile::tempdir()?;
    let endpoint = format!("ipc://{}/events", folder.path().display());
    let engine = zmq::Context::new().socket(zmq::PUB)?;
    engine.set_sndhwm(0)?;
    engine.bind(&endpoint)?;
    let (tell, arrivals) = mpsc::unbounded_channel();
    let rank = Rank {
        source: Source { endpoint: Some(endpoint), ..Source::default() },
        ledger: Arc::new(Mutex::new(Ledger::new(1, 0))),
        outlets: Outlets { events: Some(Arc::new(Arrivals(tell))), ..Outlets::default() },
    };
    let counters = Counters::new()?;
    let relay = Relay::start(vec![rank], BLOCK_SIZE, &counters)?;
    let mut line = Line { engine, arrivals, counters, published: 0 };
    line.connect().await?;
    let (mut rates, mut delays) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        delays.push(line.delay().await? * 1e3);
        rates.push(line.rate().await? / 1e3);
    }
    relay.stop().await;
    Ok([
        Row::new("KV events relayed", "blocks/ms", &rates, &[], &[], &[Budget::AtLeast(100.0)]),
        Row::new("later by the relay, p99", "ms", &delays, &[], &[], &[Budget::AtMost(2.0)]),
    ])
}

impl Line {
    fn publish(&mut self, batch: Vec<u8>) -> Result<(), BenchError> {
        let number = self.published.to_be_bytes().to_vec();
        self.engine.send_multipart([Vec::new(), number, batch], 0)?;
        self.published += 1;
        Ok(())
    }

    /// A subscriber hears nothing of what was published before it came.
    async fn connect(&mut self) -> Result<(), BenchError> {
        let pause = Duration::from_millis(10);
        while tokio::time::timeout(pause, self.arrivals.recv()).await.is_err() {
            self.publish(kv_batch(self.published, BLOCKS))?;
        }
        while tokio::time::timeout(10 * pause, self.arrivals.recv()).await.is_ok() {}
        Ok(())
    }

    /// Of batches that are published each when the one before has come through.
    async fn delay(&mut self) -> Result<f64, BenchError> {
        let mut delays = Vec::new();
        for _ in 0..ONE_BY_ONE {
            let batch = kv_batch(self.published, BLOCKS);
            let sent = Instant::now();
            self.publish(batch)?;
            delays.extend(self.arrivals.recv().await.map(|arrived| arrived - sent));
        }
        Ok(quantiles(&mut delays).1)
    }

    /// Blocks in a second. Events that have come together leave together.
    async fn rate(&mut self) -> Result<f64, BenchError> {
        let first = self.published;
        let batches: Vec<_> =
            (first..first + AT_ONCE).map(|number| kv_batch(number, BLOCKS)).collect();
        let before = self.relayed();
        let began = Instant::now();
        for batch in batches {
            self.publish(batch)?;
        }
        while self.relayed() < before + AT_ONCE {
            self.arrivals.recv().await;
        }
        Ok((AT_ONCE * u64::from(BLOCKS)) as f64 / began.elapsed().as_secs_f64())
    }

    /// How many events have been relayed.
    fn relayed(&self) -> u64 {
        let collectors = self.counters.collectors();
        let families = collectors.iter().flat_map(|collector| collector.collect());
        let events = families.filter(|family| family.name() == "dynamo_host_kv_events_total");
        let metrics = events.flat_map(|family| family.get_metric().to_vec());
        metrics.map(|metric| metric.get_counter().value() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everything_that_is_published_comes_through() {
        for row in rows(1).await.unwrap() {
            println!("{}", row.line());
        }
    }
}
