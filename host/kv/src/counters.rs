//! What is counted of the relay, for `/metrics`.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

use crate::batch::Change;

const RANK: &str = "dp_rank";

/// The relay's metrics, `dynamo_host_kv_*`, by data-parallel rank.
#[derive(Clone, Debug)]
pub struct Counters {
    batches: IntCounterVec,
    events: IntCounterVec,
    blocks: IntGaugeVec,
    skipped: IntCounterVec,
    malformed: IntCounterVec,
    recovered: IntCounterVec,
    lost: IntCounterVec,
    failed: IntCounterVec,
    lag: HistogramVec,
}

impl Counters {
    /// New ones, at 0.
    ///
    /// # Errors
    /// A name Prometheus does not take: a defect.
    pub fn new() -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("dynamo_host_kv_{name}_total"), help), labels)
        };
        // 100 us to 3 s.
        let buckets = prometheus::exponential_buckets(1e-4, 10_f64.sqrt(), 10)?;
        Ok(Counters {
            batches: counter("batches", "Batches of KV events the engine has published", &[RANK])?,
            events: counter("events", "KV events relayed to routers", &[RANK, "kind"])?,
            blocks: IntGaugeVec::new(
                Opts::new("dynamo_host_kv_blocks", "Blocks in the engine's KV cache, as relayed"),
                &[RANK],
            )?,
            skipped: counter("skipped_events", "KV events routers have no use for", &[RANK])?,
            malformed: counter("malformed_batches", "Batches that could not be read", &[RANK])?,
            recovered: counter(
                "recovered_batches",
                "Batches the engine had to tell again",
                &[RANK],
            )?,
            lost: counter("lost_batches", "Batches the engine could not tell again", &[RANK])?,
            failed: counter("publish_failures", "Messages the event plane did not take", &[RANK])?,
            lag: HistogramVec::new(
                HistogramOpts::new(
                    "dynamo_host_kv_lag_seconds",
                    "From the engine's publication of a batch to ours",
                )
                .buckets(buckets),
                &[RANK],
            )?,
        })
    }

    /// All of them, to be registered.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let mut all: Vec<Box<dyn Collector>> =
            vec![Box::new(self.blocks.clone()), Box::new(self.lag.clone())];
        for counter in [
            &self.batches,
            &self.events,
            &self.skipped,
            &self.malformed,
            &self.recovered,
            &self.lost,
            &self.failed,
        ] {
            all.push(Box::new(counter.clone()));
        }
        all
    }

    pub(crate) fn of(&self, rank: u32) -> RankCounters {
        let rank = rank.to_string();
        let of = |counter: &IntCounterVec| counter.with_label_values(&[&rank]);
        let kind = |kind: &str| self.events.with_label_values(&[rank.as_str(), kind]);
        RankCounters {
            batches: of(&self.batches),
            stored: kind("stored"),
            removed: kind("removed"),
            cleared: kind("cleared"),
            blocks: self.blocks.with_label_values(&[&rank]),
            skipped: of(&self.skipped),
            malformed: of(&self.malformed),
            recovered: of(&self.recovered),
            lost: of(&self.lost),
            failed: of(&self.failed),
            lag: self.lag.with_label_values(&[&rank]),
        }
    }
}

/// Those of one rank.
#[derive(Clone, Debug)]
pub(crate) struct RankCounters {
    pub(crate) batches: IntCounter,
    stored: IntCounter,
    removed: IntCounter,
    cleared: IntCounter,
    pub(crate) blocks: IntGauge,
    pub(crate) skipped: IntCounter,
    pub(crate) malformed: IntCounter,
    pub(crate) recovered: IntCounter,
    pub(crate) lost: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) lag: Histogram,
}

impl RankCounters {
    pub(crate) fn count(&self, change: &Change) {
        match change {
            Change::Stored(_) => self.stored.inc(),
            Change::Removed { .. } => self.removed.inc(),
            Change::Cleared => self.cleared.inc(),
        }
    }
}
