//! How often the exports of a plugin are called, how long they compute, how they fail, and what a
//! plugin asks for that it may not have.

use std::sync::Arc;
use std::time::Duration;

use dynamo_host_plugin::Fault;
use prometheus::core::Collector;
use prometheus::{Counter, CounterVec, IntCounter, IntCounterVec, Opts, Registry};

/// The exports, those of each token first.
const EXPORTS: [&str; 11] = [
    "push",
    "plan",
    "finish",
    "deliver",
    "rejected",
    "handle",
    "list-routes",
    "configure",
    "prepare",
    "describe",
    "instantiation",
];

/// The families, of all plugins.
pub(super) struct Calls {
    calls: IntCounterVec,
    seconds: CounterVec,
    faults: IntCounterVec,
    denied: IntCounterVec,
}

/// What is counted of one plugin's calls. What a call touches was found once: a call itself neither
/// locks nor allocates.
pub(super) struct PluginCalls {
    plugin: String,
    exports: Vec<(&'static str, IntCounter, Counter)>,
    faults: IntCounterVec,
    denied: IntCounterVec,
}

/// Counts what a plugin asks its imports for and may not have.
#[derive(Clone, Default)]
pub struct Denials(Option<Arc<PluginCalls>>);

impl Denials {
    pub(super) fn of(plugin: Arc<PluginCalls>) -> Self {
        Denials(Some(plugin))
    }

    /// Counts one, of the import `import`. What was asked for is in the error the plugin gets: in a
    /// label it would be the client's to choose.
    pub fn count(&self, import: &'static str) {
        if let Some(PluginCalls { plugin, denied, .. }) = self.0.as_deref() {
            denied.with_label_values(&[plugin, import]).inc();
        }
    }
}

impl Calls {
    /// Registers the families.
    ///
    /// # Errors
    /// They are there already: a defect.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let calls = IntCounterVec::new(
            Opts::new("dynamo_host_plugin_calls_total", "Calls of the plugin's exports"),
            &["plugin", "export"],
        )?;
        let seconds = CounterVec::new(
            Opts::new(
                "dynamo_host_plugin_compute_seconds_total",
                "Time the plugin's exports took, without what they waited for",
            ),
            &["plugin", "export"],
        )?;
        let faults = IntCounterVec::new(
            Opts::new(
                "dynamo_host_plugin_faults_total",
                "Calls that the plugin's code failed: trap, deadline, memory, or full (no instance)",
            ),
            &["plugin", "export", "fault"],
        )?;
        let denied = IntCounterVec::new(
            Opts::new(
                "dynamo_host_plugin_denied_total",
                "Hosts, paths and peers that the plugin asked its imports for and may not reach",
            ),
            &["plugin", "import"],
        )?;
        let families: [Box<dyn Collector>; 4] = [
            Box::new(calls.clone()),
            Box::new(seconds.clone()),
            Box::new(faults.clone()),
            Box::new(denied.clone()),
        ];
        for family in families {
            registry.register(family)?;
        }
        Ok(Calls { calls, seconds, faults, denied })
    }

    /// Those of one plugin.
    pub(super) fn of(&self, plugin: &str) -> PluginCalls {
        let exports = EXPORTS.map(|export| {
            let labels = [plugin, export];
            let calls = self.calls.with_label_values(&labels);
            (export, calls, self.seconds.with_label_values(&labels))
        });
        PluginCalls {
            plugin: plugin.to_owned(),
            exports: exports.into(),
            faults: self.faults.clone(),
            denied: self.denied.clone(),
        }
    }
}

impl PluginCalls {
    /// Counts one.
    pub(super) fn count(&self, export: &'static str, computed: Duration, fault: Option<Fault>) {
        let counted = self.exports.iter().find(|(name, ..)| *name == export);
        if let Some((_, calls, seconds)) = counted {
            calls.inc();
            seconds.inc_by(computed.as_secs_f64());
        }
        if let Some(fault) = fault {
            self.faults.with_label_values(&[&self.plugin, export, fault.name()]).inc();
        }
    }
}
