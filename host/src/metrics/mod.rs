//! The numbers the host adds to `/metrics`: its own, those its plugins record, and those of its engine.
//!
//! | families | from |
//! | --- | --- |
//! | `dynamo_component_*`, `dynamo_work_handler_*`, `dynamo_engine_request`, `dynamo_request_queue`, `dynamo_rejection_*`, `dynamo_transport_*`, `dynamo_tokio_*` | Dynamo's runtime, which serves `/metrics` |
//! | `dynamo_component_model_load_time_seconds` | [`Metrics::engine_loaded`], as Dynamo's own workers |
//! | `dynamo_embedding_*` and others of Dynamo's workers | a plugin in the place of one ([`Recorded`]) |
//! | `sglang:*`, `llamacpp:*` | the engine, asked when somebody asks us ([`EngineMetrics`]) |
//! | `dynamo_host_engine_load_seconds`, `_restarts_total`, `_scrape_failures_total` | the host, of its engine |
//! | `dynamo_host_media_blobs`, `_bytes` | the host: images and videos it holds for plugins |
//! | `dynamo_host_tasks` | the host: what its runtime has to do, or waits for |
//! | `dynamo_host_plugin_info`, `_instances`, `_memory_peak_bytes`, `_values_dropped_total` | the host, of its plugins |
//! | `dynamo_host_plugin_calls_total`, `_compute_seconds_total`, `_faults_total` | the host, of each call of an export |
//! | `dynamo_host_plugin_denied_total` | the host, of what its plugins may not reach |
//! | `dynamo_host_plugin_*` | a plugin's own |

mod calls;
mod engine;
mod exposition;
mod kv;
mod recorded;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dynamo_host_kv::Counters;
use dynamo_host_plugin::{Manifest, Runtime, holdings};
use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{
    Encoder, Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tokio::runtime::Handle;

pub use calls::Denials;
pub use engine::EngineMetrics;
pub use kv::KvGauges;
pub use recorded::{Recorded, Recorders};

use calls::Calls;

/// Dynamo's name for the time an engine takes to load.
const LOAD_TIME: &str = "dynamo_component_model_load_time_seconds";

/// What the host itself counts, and what its plugins record.
pub struct Metrics {
    registry: Registry,
    /// Times the engine was started again.
    pub engine_restarts: IntCounter,
    /// Times another version of a plugin took over, by the plugin and what brought that about.
    pub swaps: IntCounterVec,
    /// New versions that do not serve, by the plugin and the step in which they failed.
    pub refusals: IntCounterVec,
    /// Versions that were sent back, by the plugin and who did it.
    pub rollbacks: IntCounterVec,
    /// Times the engine's own numbers could not be had.
    pub engine_scrape_failures: IntCounter,
    engine_load: Gauge,
    /// The same under Dynamo's name.
    load_time: Gauge,
    /// What Dynamo says of the place of the engine's numbers.
    place: OnceLock<Vec<(String, String)>>,
    blobs: IntGauge,
    blob_bytes: IntGauge,
    tasks: IntGauge,
    instances: IntGauge,
    /// Where the plugins' instances are.
    runtime: OnceLock<Runtime>,
    calls: Calls,
    info: IntGaugeVec,
    largest_instance: IntGauge,
    bounds: Arc<Bounds>,
    plugins: Mutex<Vec<Arc<Recorded>>>,
    kv: OnceLock<Counters>,
}

/// How far plugins have gone, all of them together.
struct Bounds {
    /// In bytes; shown by `largest_instance`.
    most_memory: AtomicU64,
    dropped: IntCounter,
}

impl Metrics {
    /// Registers the host's metrics.
    ///
    /// # Errors
    /// If they are refused: a defect.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new();
        let engine_restarts = IntCounter::new(
            "dynamo_host_engine_restarts_total",
            "Times the engine was started again after it had ended",
        )?;
        let largest_instance = IntGauge::new(
            "dynamo_host_plugin_memory_peak_bytes",
            "The most linear memory an instance of a plugin has had",
        )?;
        let dropped = IntCounter::new(
            "dynamo_host_plugin_values_dropped_total",
            "Values a plugin recorded that its instruments could not take",
        )?;
        let info = IntGaugeVec::new(
            Opts::new("dynamo_host_plugin_info", "The plugins that serve"),
            &["name", "version", "digest"],
        )?;
        let swaps = IntCounterVec::new(
            Opts::new(
                "dynamo_host_plugin_swaps_total",
                "Times another version of a plugin took over, by what brought that about",
            ),
            &["name", "by"],
        )?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "dynamo_host_plugin_refusals_total",
                "New versions of a plugin that do not serve, by the step in which they failed",
            ),
            &["name", "step"],
        )?;
        let rollbacks = IntCounterVec::new(
            Opts::new(
                "dynamo_host_plugin_rollbacks_total",
                "Versions of a plugin that were sent back, by who did it",
            ),
            &["name", "by"],
        )?;
        for counter in [&swaps, &refusals, &rollbacks] {
            registry.register(Box::new(counter.clone()))?;
        }
        let engine_load = Gauge::new(
            "dynamo_host_engine_load_seconds",
            "How long the engine took to become ready, the last time",
        )?;
        let load_time = Gauge::new(LOAD_TIME, "How long the engine took to become ready")?;
        let engine_scrape_failures = IntCounter::new(
            "dynamo_host_engine_scrape_failures_total",
            "Times the engine's own numbers could not be had",
        )?;
        let blobs = IntGauge::new("dynamo_host_media_blobs", "Images and videos held for plugins")?;
        let blob_bytes = IntGauge::new("dynamo_host_media_bytes", "Bytes of images and videos")?;
        let tasks = IntGauge::new("dynamo_host_tasks", "Tasks of the host's that have not ended")?;
        let instances = IntGauge::new("dynamo_host_plugin_instances", "Instances of plugins")?;
        let calls = Calls::register(&registry)?;
        registry.register(Box::new(engine_scrape_failures.clone()))?;
        registry.register(Box::new(blobs.clone()))?;
        registry.register(Box::new(blob_bytes.clone()))?;
        registry.register(Box::new(tasks.clone()))?;
        registry.register(Box::new(engine_restarts.clone()))?;
        registry.register(Box::new(largest_instance.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        registry.register(Box::new(info.clone()))?;
        Ok(Arc::new(Metrics {
            registry,
            engine_restarts,
            swaps,
            refusals,
            rollbacks,
            engine_scrape_failures,
            engine_load,
            load_time,
            place: OnceLock::new(),
            blobs,
            blob_bytes,
            tasks,
            instances,
            runtime: OnceLock::new(),
            calls,
            info,
            largest_instance,
            bounds: Arc::new(Bounds { most_memory: AtomicU64::new(0), dropped }),
            plugins: Mutex::default(),
            kv: OnceLock::new(),
        }))
    }

    /// Where the plugin `name` records from now on, through all of its versions.
    pub fn of_plugin(&self, name: &str) -> Arc<Recorded> {
        let calls = self.calls.of(name);
        let recorded = Arc::new(Recorded::new(name, self.bounds.clone(), calls));
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
        recorded
    }

    /// Shows how many instances of plugins there are, where `runtime` knows. Later calls do nothing.
    pub fn count_instances(&self, runtime: &Runtime) {
        if runtime.instances().is_some() && self.runtime.set(runtime.clone()).is_ok() {
            // There is one gauge, and it is registered once.
            let _ = self.registry.register(Box::new(self.instances.clone()));
        }
    }

    /// Where in Dynamo the engine's numbers are from. Later calls do nothing.
    pub fn place(&self, labels: Vec<(String, String)>) {
        if self.place.set(labels).is_err() {
            tracing::debug!("the engine's metrics have their place already");
        }
    }

    /// The engine, which this host has started, took so long to become ready.
    pub fn engine_loaded(&self, took: Duration) {
        for gauge in [&self.engine_load, &self.load_time] {
            gauge.set(took.as_secs_f64());
            // Not shown before there is an engine of ours; refused when it is shown already.
            let _ = self.registry.register(Box::new(gauge.clone()));
        }
    }

    /// From now on this version serves.
    pub fn serves(&self, manifest: &Manifest, digest: &str) {
        self.info.with_label_values(&[&manifest.name, &manifest.version, digest]).set(1);
    }

    /// From now on this version does not serve any more.
    pub fn served(&self, manifest: &Manifest, digest: &str) {
        // It may be another version of the same name by now, whose series this is not.
        let _ = self.info.remove_label_values(&[&manifest.name, &manifest.version, digest]);
    }

    /// All of them in the Prometheus text format.
    pub fn text(&self) -> String {
        let most_memory = self.bounds.most_memory.load(Ordering::Relaxed);
        self.largest_instance.set(shown(most_memory));
        let held = holdings();
        self.blobs.set(shown(held.blobs));
        self.blob_bytes.set(shown(held.bytes));
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(shown(runtime.metrics().num_alive_tasks() as u64));
        }
        if let Some(instances) = self.runtime.get().and_then(Runtime::instances) {
            self.instances.set(shown(instances));
        }
        let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
        for mut family in self.registry.gather().into_iter().chain(self.recorded()) {
            if family.name() == LOAD_TIME
                && let Some(place) = self.place.get()
            {
                add_labels(&mut family, place);
            }
            match families.get_mut(family.name()) {
                None => {
                    families.insert(family.name().to_owned(), family);
                }
                Some(known) if known.get_field_type() == family.get_field_type() => {
                    known.mut_metric().extend(family.get_metric().iter().cloned());
                }
                // A second family of the name would make all of the answer invalid.
                Some(known) => tracing::warn!(
                    "two plugins record {} as different things: one is left out",
                    known.name()
                ),
            }
        }
        let families: Vec<MetricFamily> = families.into_values().collect();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::warn!("metrics cannot be written: {error}");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// What plugins record. Where there are several, each says which it is in the families that have
    /// no place in Dynamo.
    fn recorded(&self) -> Vec<MetricFamily> {
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let several = plugins.len() > 1;
        plugins.iter().flat_map(|plugin| plugin.gather(several)).collect()
    }
}

/// A number of the kind Prometheus has.
fn shown(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds `labels` to every number of `family`, unless it has them.
fn add_labels(family: &mut MetricFamily, labels: &[(String, String)]) {
    for metric in family.mut_metric() {
        let mut all = metric.take_label();
        for (name, value) in labels {
            if all.iter().all(|label| label.name() != name) {
                let mut label = LabelPair::new();
                label.set_name(name.clone());
                label.set_value(value.clone());
                all.push(label);
            }
        }
        metric.set_label(all);
    }
}

#[cfg(test)]
mod tests;
