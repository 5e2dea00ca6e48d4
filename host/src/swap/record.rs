//! What has happened to one plugin since the host was started: for operators, and so that a version
//! that was sent back does not come again.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::gate::Refusal;
use crate::station::Station;
use crate::version::Version;

/// What makes somebody look for a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The source has changed.
    Source,
    /// SIGHUP.
    Signal,
    /// The route `/engine/plugin/reload`.
    Route,
}

impl Trigger {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Trigger::Source => "source",
            Trigger::Signal => "SIGHUP",
            Trigger::Route => "route",
        }
    }
}

/// The record of one plugin.
#[derive(Default)]
pub struct Record(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    switch: Option<Value>,
    refusal: Option<Value>,
    rollback: Option<Value>,
    bad: BTreeSet<String>,
    on_probation: bool,
}

impl Record {
    /// Requests go to `to` instead of `from` from now on.
    pub(super) fn switched(&self, why: &str, from: &Version, to: &Version, pause: Duration) {
        self.entries().switch = Some(json!({
            "at": now(),
            "by": why,
            "from": identity(from),
            "to": identity(to),
            "pause_us": pause.as_nanos() as f64 / 1e3,
        }));
    }

    /// A new version does not serve.
    pub(super) fn refused(&self, digest: Option<&str>, trigger: Trigger, refusal: &Refusal) {
        self.entries().refusal = Some(json!({
            "at": now(),
            "by": trigger.name(),
            "digest": digest.map(shown),
            "step": refusal.step(),
            "reason": refusal.to_string(),
        }));
    }

    /// A version was sent back, for a reason in words.
    pub(super) fn sent_back(&self, from: &Version, reason: &str) {
        let entry = json!({ "at": now(), "from": identity(from), "reason": reason });
        self.entries().rollback = Some(entry);
    }

    /// A version of this digest does not serve again.
    pub(super) fn condemn(&self, digest: &str) {
        self.entries().bad.insert(digest.to_owned());
    }

    /// Whether a version of this digest was sent back for its failures.
    pub(super) fn is_bad(&self, digest: &str) -> bool {
        self.entries().bad.contains(digest)
    }

    /// Whether the version that serves can still be sent back by itself.
    pub(super) fn set_on_probation(&self, on: bool) {
        self.entries().on_probation = on;
    }

    /// All there is to know of the plugin at `station`, which comes from `source`.
    pub(super) fn show(&self, station: &Station, source: &str) -> Value {
        let current = station.handler().current();
        let live: Vec<Value> =
            station.handler().live().iter().map(|version| show(version)).collect();
        let entries = self.entries();
        let manifest = current.plugin().manifest();
        json!({
            "name": manifest.name,
            "version": manifest.version,
            "digest": shown(current.plugin().digest()),
            "since": current.since().map(when),
            "source": source,
            "endpoint": station.served().id().to_string(),
            "on_probation": entries.on_probation,
            "live": live,
            "last_switch": entries.switch,
            "last_refusal": entries.refusal,
            "last_rollback": entries.rollback,
            "bad": entries.bad.iter().map(|digest| shown(digest)).collect::<Vec<_>>(),
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One version that may be at work.
fn show(version: &Version) -> Value {
    let counts = version.tally().counts();
    let mut shown = identity(version);
    shown["in_flight"] = version.in_flight().into();
    shown["ended"] = counts.ended.into();
    shown["failed"] = counts.failed.into();
    shown
}

fn identity(version: &Version) -> Value {
    let plugin = version.plugin();
    json!({ "version": plugin.manifest().version, "digest": shown(plugin.digest()) })
}

fn shown(digest: &str) -> String {
    format!("sha256:{digest}")
}

fn now() -> String {
    when(SystemTime::now())
}

/// A time as RFC 3339 has it.
fn when(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
