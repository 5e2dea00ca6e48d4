//! The numbers the host adds to `/metrics`: its own, and those its plugins record.

mod kv;
mod recorded;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dynamo_host_kv::Counters;
use dynamo_host_plugin::Manifest;
use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{
    Encoder, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

pub use kv::KvGauges;
pub use recorded::{Recorded, Recorders};

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
            info,
            largest_instance,
            bounds: Arc::new(Bounds { most_memory: AtomicU64::new(0), dropped }),
            plugins: Mutex::default(),
            kv: OnceLock::new(),
        }))
    }

    /// Where the plugin `name` records from now on, through all of its versions.
    pub fn of_plugin(&self, name: &str) -> Arc<Recorded> {
        let recorded = Arc::new(Recorded::new(name, self.bounds.clone()));
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
        recorded
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
        self.largest_instance.set(i64::try_from(most_memory).unwrap_or(i64::MAX));
        let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
        for family in self.registry.gather().into_iter().chain(self.recorded()) {
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamo_host_plugin::{Instrument, Isolation, Metric, MetricSink};

    use super::*;

    fn manifest(metrics: Vec<Metric>) -> Manifest {
        Manifest {
            name: "p".into(),
            version: "1.0.0".into(),
            worker_type: "decode".into(),
            summary: String::new(),
            settings_schema: None,
            metrics,
            isolation: Isolation::Fresh,
        }
    }

    fn counter() -> Metric {
        Metric {
            name: "hits".into(),
            help: "Hits".into(),
            instrument: Instrument::Counter,
            labels: vec!["kind".into()],
            buckets: Vec::new(),
        }
    }

    /// The numbers of one plugin `p` with these metrics.
    fn recorders(metrics: &Metrics, of: Vec<Metric>) -> (Arc<Recorded>, Recorders) {
        let recorded = metrics.of_plugin("p");
        let recorders = recorded.recorders(&manifest(of));
        (recorded, recorders)
    }

    #[test]
    fn what_a_plugin_records_appears_and_what_it_cannot_is_counted() {
        let metrics = Metrics::new().unwrap();
        let (_, plugin) = recorders(&metrics, vec![counter()]);
        plugin.record(0, 2.0, &["a".into()]);
        plugin.record(0, -1.0, &["a".into()]);
        plugin.record(0, 1.0, &[]);
        plugin.record(7, 1.0, &[]);
        let text = metrics.text();
        assert!(text.contains(r#"dynamo_host_plugin_hits{kind="a"} 2"#), "{text}");
        assert!(text.contains("dynamo_host_plugin_values_dropped_total 3"), "{text}");
    }

    #[test]
    fn the_version_that_serves_is_shown() {
        let metrics = Metrics::new().unwrap();
        let next = Manifest { version: "1.1.0".into(), ..manifest(Vec::new()) };
        metrics.serves(&manifest(Vec::new()), "0");
        metrics.serves(&next, "1");
        metrics.served(&manifest(Vec::new()), "0");
        let text = metrics.text();
        let line = r#"dynamo_host_plugin_info{digest="1",name="p",version="1.1.0"} 1"#;
        assert!(text.contains(line) && !text.contains(r#"digest="0""#), "{text}");
    }

    #[test]
    fn versions_of_a_plugin_record_into_the_same_numbers() {
        let metrics = Metrics::new().unwrap();
        let (recorded, first) = recorders(&metrics, vec![counter()]);
        let misses = Metric { name: "misses".into(), ..counter() };
        let gauge = Metric { instrument: Instrument::Gauge, ..counter() };
        let second = recorded.recorders(&manifest(vec![misses, counter()]));
        let third = recorded.recorders(&manifest(vec![gauge]));
        first.record(0, 1.0, &["a".into()]);
        second.record(1, 2.0, &["a".into()]);
        third.record(0, 9.0, &["a".into()]);
        let text = metrics.text();
        assert!(text.contains(r#"dynamo_host_plugin_hits{kind="a"} 3"#), "{text}");
        assert!(text.contains("dynamo_host_plugin_values_dropped_total 1"), "{text}");
    }

    #[test]
    fn two_plugins_share_a_family_and_say_which_they_are() {
        let metrics = Metrics::new().unwrap();
        for (name, value) in [("one", 1.0), ("two", 2.0)] {
            let recorders = metrics.of_plugin(name).recorders(&manifest(vec![counter()]));
            recorders.record(0, value, &["a".into()]);
        }
        let text = metrics.text();
        for line in [
            r#"dynamo_host_plugin_hits{kind="a",plugin="one"} 1"#,
            r#"dynamo_host_plugin_hits{kind="a",plugin="two"} 2"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.matches("# TYPE dynamo_host_plugin_hits ").count(), 1, "{text}");
    }

    #[test]
    fn a_number_under_dynamos_name_has_dynamos_labels() {
        let named = Metric { name: "dynamo_embedding_hits".into(), ..counter() };
        let metrics = Metrics::new().unwrap();
        let (recorded, plugin) = recorders(&metrics, vec![named, counter()]);
        let place = [("dynamo_component", "backend"), ("kind", "other")];
        recorded.place(place.map(|(name, value)| (name.into(), value.into())).to_vec());
        plugin.record(0, 1.0, &["a".into()]);
        plugin.record(1, 1.0, &["a".into()]);
        let text = metrics.text();
        let line = r#"dynamo_embedding_hits{kind="a",dynamo_component="backend"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"dynamo_host_plugin_hits{kind="a"} 1"#), "{text}");
    }

    #[test]
    fn label_values_are_bounded() {
        let metrics = Metrics::new().unwrap();
        let (_, plugin) = recorders(&metrics, vec![counter()]);
        for id in 0..recorded::MAX_SERIES + 5 {
            plugin.record(0, 1.0, &[id.to_string()]);
        }
        plugin.record(0, 1.0, &["x".repeat(recorded::MAX_LABEL + 1)]);
        assert!(metrics.text().contains("values_dropped_total 6"));
    }
}
