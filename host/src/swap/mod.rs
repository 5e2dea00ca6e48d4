//! A plugin's next version, while its engine and its requests go on.
//!
//! A [`Source`] (`file`, `object`) says that something else is there. The [`Gate`] makes a version of
//! it, or refuses it; `cases` are a part of that. Then the station switches: requests that start from
//! then on get the new version, those in flight stay with theirs. For a time of [`Probation`] the
//! version before it waits, ready to take over again. [`Record`] remembers, and [`desk`] is where
//! operators ask.

mod cases;
pub mod desk;
mod file;
mod gate;
mod object;
mod probation;
mod record;
mod source;

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use dynamo_host_plugin::Artifact;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

pub use cases::CasesFailed;
pub use gate::{Gate, Refusal};
pub use probation::{Counts, Probation, Tally};
pub use record::{Record, Trigger};
pub use source::{Source, SourceError};

use crate::metrics::Metrics;
use crate::site::Site;
use crate::station::Station;
use crate::version::Version;

/// How often a version is tried again because the engine went away meanwhile.
const ATTEMPTS: usize = 5;

/// What operators ask of a [`Swapper`], and where the answer goes.
pub(crate) enum Order {
    /// Take what the source has.
    Reload(Trigger, oneshot::Sender<Result<Outcome, Refusal>>),
    /// Go back to the version before.
    RollBack(oneshot::Sender<Result<Outcome, NoWayBack>>),
}

/// What came of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another version serves.
    Switched,
    /// The source has what serves already.
    Unchanged,
}

/// Why a version cannot be sent back.
#[derive(Debug, thiserror::Error)]
pub enum NoWayBack {
    /// There was none before.
    #[error("there is no version to go back to: this one has served since the host was started")]
    NoVersion,
    /// The one before does not pass the gate any more.
    #[error("the version before does not serve any more: {0}")]
    Refused(#[from] Refusal),
}

/// The version before the one that serves.
struct Previous {
    artifact: Artifact,
    /// Itself, as long as it may have to take over at once. Its code is kept for as long.
    version: Option<Arc<Version>>,
}

/// What a source had: a digest, and who vouched for it. A plugin that was refused because nobody had
/// signed it may come again, signed.
#[derive(PartialEq, Eq)]
struct Seen {
    digest: String,
    signature: Option<Bytes>,
}

impl Seen {
    fn of(artifact: &Artifact) -> Self {
        let signature = artifact.signature().cloned();
        Seen { digest: artifact.digest().to_owned(), signature }
    }
}

/// Gives one plugin its next version.
pub struct Swapper {
    site: Arc<Site>,
    station: Arc<Station>,
    source: Source,
    gate: Gate,
    record: Arc<Record>,
    /// What the source last had: news of the same is none, also after an operator went back from it.
    seen: Seen,
    previous: Option<Previous>,
    probation: Option<Probation>,
}

impl Swapper {
    /// For the plugin at `station`, which comes from `source`.
    pub fn new(site: Arc<Site>, station: Arc<Station>, source: Source, gate: Gate) -> Self {
        let seen = Seen::of(station.handler().current().artifact());
        let record = Arc::default();
        Swapper { site, station, source, gate, record, seen, previous: None, probation: None }
    }

    /// Watches the source and obeys orders, for ever.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let tally = self.tally();
            tokio::select! {
                () = self.source.changed() => {
                    // Said and recorded where it happened.
                    let _ = self.renew(Trigger::Source).await;
                }
                Some(order) = orders.recv() => self.obey(order).await,
                failed = end(self.probation, &tally) => self.end_probation(failed).await,
            }
        }
    }

    /// What is counted of the version that serves. Not the version itself: whoever waits with it
    /// would keep it beyond the engine it was configured for.
    fn tally(&self) -> Arc<Tally> {
        self.station.handler().current().tally().clone()
    }

    /// What has happened so far.
    pub(crate) fn record(&self) -> Arc<Record> {
        self.record.clone()
    }

    /// Where the plugin comes from, for people.
    pub(crate) fn origin(&self) -> String {
        self.source.to_string()
    }

    async fn obey(&mut self, order: Order) {
        // Whoever asked may have gone.
        match order {
            Order::Reload(trigger, answer) => {
                let _ = answer.send(self.renew(trigger).await);
            }
            Order::RollBack(answer) => {
                let _ = answer.send(self.roll_back().await);
            }
        }
    }

    /// Takes what the source has.
    async fn renew(&mut self, trigger: Trigger) -> Result<Outcome, Refusal> {
        let mut digest = None;
        let renewed = self.take(trigger, &mut digest).await;
        if let Err(refusal) = &renewed {
            let serving = self.station.handler().current();
            let manifest = serving.plugin().manifest();
            tracing::error!(
                plugin = manifest.name,
                digest,
                by = trigger.name(),
                step = refusal.step(),
                "no new version of {}: {refusal}; {} goes on",
                manifest.name,
                manifest.version
            );
            self.record.refused(digest.as_deref(), trigger, refusal);
            self.count(|metrics, name| {
                metrics.refusals.with_label_values(&[name, refusal.step()]).inc()
            });
        }
        renewed
    }

    async fn take(
        &mut self,
        trigger: Trigger,
        digest: &mut Option<String>,
    ) -> Result<Outcome, Refusal> {
        let artifact = self.source.fetch().await?;
        *digest = Some(artifact.digest().to_owned());
        let seen = std::mem::replace(&mut self.seen, Seen::of(&artifact));
        if trigger == Trigger::Source && seen == self.seen {
            return Ok(Outcome::Unchanged);
        }
        if artifact.digest() == self.station.handler().current().plugin().digest() {
            tracing::info!("{} has the version that serves", self.source);
            return Ok(Outcome::Unchanged);
        }
        if self.record.is_bad(artifact.digest()) {
            return Err(Refusal::Bad);
        }
        let before = self.admit_and_switch(artifact, trigger.name()).await?;
        let length = self.site.arguments.flags.plugin.plugin_probation;
        self.probation =
            (!length.is_zero()).then(|| Probation::begin(length, before.tally().counts()));
        self.record.set_on_probation(self.probation.is_some());
        let artifact = before.artifact().clone();
        let version = self.probation.is_some().then_some(before);
        self.previous = Some(Previous { artifact, version });
        Ok(Outcome::Switched)
    }

    /// Passes `artifact` through the gate and lets it serve. Returns the version before.
    async fn admit_and_switch(
        &mut self,
        artifact: Artifact,
        why: &str,
    ) -> Result<Arc<Version>, Refusal> {
        for _ in 0..ATTEMPTS {
            let (site, station, gate) =
                (self.site.clone(), self.station.clone(), self.gate.clone());
            let artifact = artifact.clone();
            let admitted = self
                .meanwhile(async move {
                    station.until_serving().await;
                    gate.admit(&site, &station.handler().current(), artifact).await
                })
                .await;
            match admitted {
                Ok(version) => {
                    if let Some(before) = self.switch(Arc::new(version), why).await {
                        return Ok(before);
                    }
                    // The engine was started again meanwhile, and the version knows it as it was.
                }
                Err(refusal) if refusal.may_be_the_engines() && !self.station.is_serving() => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::NoEngine)
    }

    /// The same, where the compiler must not look into the future: waiting for the gate may end a
    /// probation, and that may send another version through the gate.
    fn admit_again<'a>(
        &'a mut self,
        artifact: Artifact,
        why: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Version>, Refusal>> {
        Box::pin(self.admit_and_switch(artifact, why))
    }

    /// Lets `version` serve; none if it knows an earlier engine.
    async fn switch(&self, version: Arc<Version>, why: &str) -> Option<Arc<Version>> {
        let (before, pause) = self.station.switch(version.clone()).await?;
        let (old, new) = (before.plugin().manifest(), version.plugin().manifest());
        tracing::info!(
            plugin = new.name,
            version = new.version,
            digest = version.plugin().digest(),
            by = why,
            in_flight = before.in_flight(),
            pause_us = pause.as_nanos() as f64 / 1e3,
            "{} {} serves from now on; {} ends with its requests",
            new.name,
            new.version,
            old.version
        );
        self.record.switched(why, &before, &version, pause);
        self.count(|metrics, name| metrics.swaps.with_label_values(&[name, why]).inc());
        Some(before)
    }

    /// Does `work`; a probation that ends meanwhile does not wait for it.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let tally = self.tally();
            tokio::select! {
                done = &mut work => return done,
                failed = end(self.probation, &tally) => self.end_probation(failed).await,
            }
        }
    }

    /// The version that serves has passed its probation, or has failed it with these counts.
    async fn end_probation(&mut self, failed: Option<Counts>) {
        self.probation = None;
        self.record.set_on_probation(false);
        let serving = self.station.handler().current();
        let manifest = serving.plugin().manifest();
        let Some(counts) = failed else {
            tracing::info!("{} {} has passed its probation", manifest.name, manifest.version);
            if let Some(previous) = &mut self.previous {
                previous.version = None;
            }
            return;
        };
        let reason = format!("its code failed {} of {} requests", counts.failed, counts.ended);
        self.record.condemn(serving.plugin().digest());
        match self.go_back("probation", &reason).await {
            Ok(()) => self.previous = None,
            Err(error) => tracing::error!(
                "{} {} should go, for {reason}, but {error}",
                manifest.name,
                manifest.version
            ),
        }
    }

    /// Goes back because an operator says so.
    async fn roll_back(&mut self) -> Result<Outcome, NoWayBack> {
        let serving = self.station.handler().current();
        self.go_back("operator", "an operator asked for it").await?;
        self.probation = None;
        self.record.set_on_probation(false);
        let artifact = serving.artifact().clone();
        self.previous = Some(Previous { artifact, version: None });
        Ok(Outcome::Switched)
    }

    /// Lets the version before serve again: at once if it still waits, or else through the gate.
    async fn go_back(&mut self, by: &'static str, reason: &str) -> Result<(), NoWayBack> {
        let Some(previous) = self.previous.take() else { return Err(NoWayBack::NoVersion) };
        let left = self.station.handler().current();
        let back = match previous.version {
            Some(version) => self.switch(version, by).await.is_some(),
            None => false,
        };
        if !back && let Err(refusal) = self.admit_again(previous.artifact.clone(), by).await {
            self.previous = Some(Previous { artifact: previous.artifact, version: None });
            return Err(refusal.into());
        }
        tracing::warn!(
            plugin = left.plugin().manifest().name,
            digest = left.plugin().digest(),
            "sent {} back: {reason}",
            left.plugin().manifest().version
        );
        self.record.sent_back(&left, reason);
        self.count(|metrics, name| metrics.rollbacks.with_label_values(&[name, by]).inc());
        Ok(())
    }

    fn count(&self, count: impl FnOnce(&Metrics, &str)) {
        if let Some(metrics) = &self.site.metrics {
            let serving = self.station.handler().current();
            count(metrics, &serving.plugin().manifest().name);
        }
    }
}

/// Waits for the end of a probation of the version of `tally`; for ever if there is none.
async fn end(probation: Option<Probation>, tally: &Tally) -> Option<Counts> {
    match probation {
        Some(probation) => probation.end(tally).await,
        None => pending().await,
    }
}
