//! The numbers the host adds to `/metrics`: those its plugin records.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use dynamo_host_plugin::{Instrument, Manifest, Metric, MetricSink, family_name, is_dynamos};
use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{
    CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

/// Label combinations one metric may have: a plugin that puts a request's id into a label must not
/// fill our memory.
const MAX_SERIES: usize = 1_000;

/// What the host itself counts, and what its plugin records.
pub struct Metrics {
    registry: Registry,
    /// Times the engine was started again.
    pub engine_restarts: IntCounter,
    plugin: Vec<Option<Recorder>>,
    /// In bytes; shown by `largest_instance`.
    most_memory: AtomicU64,
    largest_instance: IntGauge,
    dropped: IntCounter,
    /// The plugin's families that are Dynamo's.
    dynamos: HashSet<String>,
    /// What Dynamo says of the place of each number in them.
    place: OnceLock<Vec<(String, String)>>,
}

struct Recorder {
    instrument: Vector,
    labels: usize,
    series: std::sync::Mutex<HashMap<Vec<String>, ()>>,
}

enum Vector {
    Counter(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

impl Metrics {
    /// Registers the host's metrics and those `manifest` declares. One that Prometheus does not
    /// take is left out, with a warning.
    ///
    /// # Errors
    /// If the host's own are refused: a defect.
    pub fn new(manifest: &Manifest, digest: &str) -> prometheus::Result<Arc<Self>> {
        let registry = Registry::new();
        let engine_restarts = IntCounter::new(
            "dynamo_host_engine_restarts_total",
            "Times the engine was started again after it had ended",
        )?;
        let largest_instance = IntGauge::new(
            "dynamo_host_plugin_memory_peak_bytes",
            "The most linear memory an instance of the plugin has had",
        )?;
        let dropped = IntCounter::new(
            "dynamo_host_plugin_values_dropped_total",
            "Values the plugin recorded that its instruments could not take",
        )?;
        let info = IntGaugeVec::new(
            Opts::new("dynamo_host_plugin_info", "The plugin that serves"),
            &["name", "version", "digest"],
        )?;
        info.with_label_values(&[manifest.name.as_str(), manifest.version.as_str(), digest]).set(1);
        registry.register(Box::new(engine_restarts.clone()))?;
        registry.register(Box::new(largest_instance.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        registry.register(Box::new(info))?;
        let recorders = manifest.metrics.iter().map(|metric| {
            recorder(&registry, metric)
                .inspect_err(|error| tracing::warn!("metric {}: {error}", metric.name))
                .ok()
        });
        let plugin = recorders.collect();
        let dynamos = manifest.metrics.iter().filter(|metric| is_dynamos(metric));
        let dynamos = dynamos.map(family_name).collect();
        let place = OnceLock::new();
        Ok(Arc::new(Metrics {
            registry,
            engine_restarts,
            plugin,
            most_memory: AtomicU64::new(0),
            largest_instance,
            dropped,
            dynamos,
            place,
        }))
    }

    /// From now on the plugin's numbers under Dynamo's names have these labels, unless they have
    /// them already. Later calls do nothing.
    pub fn place(&self, labels: Vec<(String, String)>) {
        if self.place.set(labels).is_err() {
            tracing::debug!("the metrics have their place already");
        }
    }

    /// All of them in the Prometheus text format.
    pub fn text(&self) -> String {
        let most_memory = self.most_memory.load(Ordering::Relaxed);
        self.largest_instance.set(i64::try_from(most_memory).unwrap_or(i64::MAX));
        let mut text = Vec::new();
        let mut families = self.registry.gather();
        families.iter_mut().for_each(|family| self.put_in_place(family));
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::warn!("metrics cannot be written: {error}");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    fn put_in_place(&self, family: &mut MetricFamily) {
        let Some(place) = self.place.get() else { return };
        if !self.dynamos.contains(family.name()) {
            return;
        }
        for metric in family.mut_metric() {
            let mut labels = metric.take_label();
            for (name, value) in place {
                if labels.iter().all(|label| label.name() != name) {
                    let mut label = LabelPair::new();
                    label.set_name(name.clone());
                    label.set_value(value.clone());
                    labels.push(label);
                }
            }
            metric.set_label(labels);
        }
    }
}

fn recorder(registry: &Registry, metric: &Metric) -> prometheus::Result<Recorder> {
    let name = family_name(metric);
    let labels: Vec<&str> = metric.labels.iter().map(String::as_str).collect();
    let options = Opts::new(&name, &metric.help);
    let instrument = match metric.instrument {
        Instrument::Counter => {
            let counter = CounterVec::new(options, &labels)?;
            registry.register(Box::new(counter.clone()))?;
            Vector::Counter(counter)
        }
        Instrument::Gauge => {
            let gauge = GaugeVec::new(options, &labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Vector::Gauge(gauge)
        }
        Instrument::Histogram => {
            let options = HistogramOpts::from(options).buckets(metric.buckets.clone());
            let histogram = HistogramVec::new(options, &labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Vector::Histogram(histogram)
        }
    };
    Ok(Recorder { instrument, labels: labels.len(), series: Default::default() })
}

impl Recorder {
    /// Records `value` if the instrument can take it; says whether it did.
    fn record(&self, value: f64, labels: &[String]) -> bool {
        if labels.len() != self.labels || !value.is_finite() {
            return false;
        }
        let mut series = self.series.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !series.contains_key(labels) {
            if series.len() >= MAX_SERIES {
                return false;
            }
            series.insert(labels.to_vec(), ());
        }
        drop(series);
        match &self.instrument {
            Vector::Counter(_) if value < 0.0 => return false,
            Vector::Counter(counter) => counter.with_label_values(labels).inc_by(value),
            Vector::Gauge(gauge) => gauge.with_label_values(labels).set(value),
            Vector::Histogram(histogram) => histogram.with_label_values(labels).observe(value),
        }
        true
    }
}

impl MetricSink for Metrics {
    fn record(&self, metric: u32, value: f64, labels: &[String]) {
        let recorder = self.plugin.get(metric as usize).and_then(Option::as_ref);
        if !recorder.is_some_and(|recorder| recorder.record(value, labels)) {
            self.dropped.inc();
        }
    }

    fn instance_grew(&self, bytes: usize) {
        self.most_memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamo_host_plugin::Isolation;

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

    #[test]
    fn what_a_plugin_records_appears_and_what_it_cannot_is_counted() {
        let metrics = Metrics::new(&manifest(vec![counter()]), "sha256:0").unwrap();
        metrics.record(0, 2.0, &["a".into()]);
        metrics.record(0, -1.0, &["a".into()]);
        metrics.record(0, 1.0, &[]);
        metrics.record(7, 1.0, &[]);
        let text = metrics.text();
        assert!(text.contains(r#"dynamo_host_plugin_hits{kind="a"} 2"#), "{text}");
        assert!(text.contains("dynamo_host_plugin_values_dropped_total 3"), "{text}");
        assert!(text.contains(r#"dynamo_host_plugin_info{digest="sha256:0""#), "{text}");
    }

    #[test]
    fn a_number_under_dynamos_name_has_dynamos_labels() {
        let named = Metric { name: "dynamo_embedding_hits".into(), ..counter() };
        let metrics = Metrics::new(&manifest(vec![named, counter()]), "d").unwrap();
        let place = [("dynamo_component", "backend"), ("kind", "other")];
        metrics.place(place.map(|(name, value)| (name.into(), value.into())).to_vec());
        metrics.record(0, 1.0, &["a".into()]);
        metrics.record(1, 1.0, &["a".into()]);
        let text = metrics.text();
        let line = r#"dynamo_embedding_hits{kind="a",dynamo_component="backend"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"dynamo_host_plugin_hits{kind="a"} 1"#), "{text}");
    }

    #[test]
    fn label_values_are_bounded() {
        let metrics = Metrics::new(&manifest(vec![counter()]), "d").unwrap();
        for id in 0..MAX_SERIES + 5 {
            metrics.record(0, 1.0, &[id.to_string()]);
        }
        assert!(metrics.text().contains("values_dropped_total 5"));
    }
}
