//! The numbers of the engine's KV cache.

use std::collections::HashMap;

use dynamo_host_kv::{Counters, Load};
use prometheus::{GaugeVec, Opts};

use super::Metrics;

/// Dynamo's own two, by data-parallel rank.
pub struct KvGauges {
    total: GaugeVec,
    usage: GaugeVec,
}

impl KvGauges {
    /// Shows the load of a rank whose pages have `page_size` tokens.
    pub fn show(&self, load: Load, page_size: u32) {
        let rank = load.rank.to_string();
        self.total.with_label_values(&[&rank]).set(load.total_blocks(page_size) as f64);
        self.usage.with_label_values(&[&rank]).set(load.usage());
    }
}

impl Metrics {
    /// What is counted of the relay of KV events, of all workers in this process.
    ///
    /// # Errors
    /// Prometheus does not take them: a defect.
    pub fn kv_counters(&self) -> prometheus::Result<Counters> {
        if let Some(known) = self.kv.get() {
            return Ok(known.clone());
        }
        let counters = Counters::new()?;
        for collector in counters.collectors() {
            self.registry.register(collector)?;
        }
        Ok(self.kv.get_or_init(|| counters).clone())
    }

    /// The numbers of the cache of the worker that serves `model` as `component`.
    ///
    /// # Errors
    /// Another worker has them.
    pub fn kv_gauges(&self, component: &str, model: &str) -> prometheus::Result<KvGauges> {
        let labels = [("dynamo_component", component), ("model", model)];
        let labels: HashMap<String, String> =
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let gauge = |name: &str, help: &str| {
            let options = Opts::new(format!("dynamo_component_{name}"), help);
            let gauge = GaugeVec::new(options.const_labels(labels.clone()), &["dp_rank"])?;
            self.registry.register(Box::new(gauge.clone()))?;
            prometheus::Result::Ok(gauge)
        };
        Ok(KvGauges {
            total: gauge("total_blocks", "Blocks the KV cache of a rank has")?,
            usage: gauge("gpu_cache_usage_percent", "The part of them in use, 0 to 1")?,
        })
    }
}
