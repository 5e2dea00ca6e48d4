//! The numbers of one plugin, through all of its versions.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dynamo_host_plugin::{
    Fault, Instrument, Manifest, Metric, MetricSink, family_name, is_dynamos,
};
use prometheus::proto::MetricFamily;
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry};

use super::calls::{Denials, PluginCalls};
use super::{Bounds, add_labels};

/// Label combinations one metric may have: a plugin that puts a request's id into a label must not
/// fill our memory.
pub(super) const MAX_SERIES: usize = 1_000;

/// Longest value of a label, in bytes, for the same reason.
pub(super) const MAX_LABEL: usize = 256;

/// What the versions of one plugin record. A version goes on with the numbers of the one before it.
pub struct Recorded {
    name: String,
    registry: Registry,
    families: Mutex<HashMap<String, Arc<Recorder>>>,
    /// What Dynamo says of the place of each number under one of its names.
    place: OnceLock<Vec<(String, String)>>,
    bounds: Arc<Bounds>,
    calls: Arc<PluginCalls>,
}

/// The numbers of one version, by their positions in its manifest.
pub struct Recorders {
    recorders: Vec<Option<Arc<Recorder>>>,
    bounds: Arc<Bounds>,
    calls: Arc<PluginCalls>,
}

/// One family.
struct Recorder {
    metric: Metric,
    instrument: Vector,
    series: Mutex<HashSet<Vec<String>>>,
}

enum Vector {
    Counter(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

impl Recorded {
    pub(super) fn new(name: &str, bounds: Arc<Bounds>, calls: PluginCalls) -> Self {
        Recorded {
            name: name.to_owned(),
            registry: Registry::new(),
            families: Mutex::default(),
            place: OnceLock::new(),
            bounds,
            calls: Arc::new(calls),
        }
    }

    /// From now on the plugin's numbers under Dynamo's names have these labels, unless they have
    /// them already. Later calls do nothing.
    pub fn place(&self, labels: Vec<(String, String)>) {
        if self.place.set(labels).is_err() {
            tracing::debug!("the metrics have their place already");
        }
    }

    /// The metrics that `manifest` declares. One that Prometheus does not take, or that was something
    /// else in an earlier version, is left out, with a warning.
    pub fn recorders(&self, manifest: &Manifest) -> Recorders {
        let recorders = manifest.metrics.iter().map(|metric| {
            self.family(metric)
                .inspect_err(|reason| tracing::warn!("metric {}: {reason}", metric.name))
                .ok()
        });
        Recorders {
            recorders: recorders.collect(),
            bounds: self.bounds.clone(),
            calls: self.calls.clone(),
        }
    }

    fn family(&self, metric: &Metric) -> Result<Arc<Recorder>, String> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let name = family_name(metric);
        if let Some(known) = families.get(&name) {
            return match known.is(metric) {
                true => Ok(known.clone()),
                false => Err("an earlier version of the plugin declared it otherwise".into()),
            };
        }
        let recorder = Recorder::register(&self.registry, metric).map_err(|e| e.to_string())?;
        let recorder = Arc::new(recorder);
        families.insert(name, recorder.clone());
        Ok(recorder)
    }

    /// All of them, in their place; `name_plugin` adds whose they are.
    pub(super) fn gather(&self, name_plugin: bool) -> Vec<MetricFamily> {
        let plugin = [("plugin".to_owned(), self.name.clone())];
        let mut gathered = self.registry.gather();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for family in &mut gathered {
            let dynamos = families.get(family.name()).is_some_and(|it| is_dynamos(&it.metric));
            match self.place.get() {
                Some(place) if dynamos => add_labels(family, place),
                _ if name_plugin => add_labels(family, &plugin),
                _ => {}
            }
        }
        gathered
    }
}

impl Recorder {
    fn register(registry: &Registry, metric: &Metric) -> prometheus::Result<Self> {
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
        Ok(Recorder { metric: metric.clone(), instrument, series: Mutex::default() })
    }

    /// Whether `metric` is the same thing: its help may be better by now.
    fn is(&self, metric: &Metric) -> bool {
        self.metric.instrument == metric.instrument
            && self.metric.labels == metric.labels
            && self.metric.buckets == metric.buckets
    }

    /// Records `value` if the instrument can take it; says whether it did.
    fn record(&self, value: f64, labels: &[String]) -> bool {
        let too_long = labels.iter().any(|label| label.len() > MAX_LABEL);
        if labels.len() != self.metric.labels.len() || too_long || !value.is_finite() {
            return false;
        }
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if !series.contains(labels) {
            if series.len() >= MAX_SERIES {
                return false;
            }
            series.insert(labels.to_vec());
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

impl Recorders {
    /// Where it is counted what the plugin may not have.
    pub fn denials(&self) -> Denials {
        Denials::of(self.calls.clone())
    }
}

impl MetricSink for Recorders {
    fn record(&self, metric: u32, value: f64, labels: &[String]) {
        let recorder = self.recorders.get(metric as usize).and_then(Option::as_ref);
        if !recorder.is_some_and(|recorder| recorder.record(value, labels)) {
            self.bounds.dropped.inc();
        }
    }

    fn instance_grew(&self, bytes: usize) {
        self.bounds.most_memory.fetch_max(bytes as u64, Ordering::Relaxed);
    }

    fn called(&self, export: &'static str, computed: Duration, fault: Option<Fault>) {
        self.calls.count(export, computed, fault);
    }
}
