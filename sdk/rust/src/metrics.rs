//! Numbers for the host's `/metrics`. Using it makes the component import `dynamo:worker/metrics`.

use crate::{Instrument, Metric};

/// A histogram to declare in the manifest. The host adds the bucket without an upper bound.
pub fn histogram(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Metric {
    Metric {
        name: name.into(),
        help: help.into(),
        instrument: Instrument::Histogram,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        buckets: buckets.to_vec(),
    }
}

/// Records a value of the manifest's metric at `position`, with the values of its labels in their
/// order. Does nothing natively: there is no host.
pub fn record(position: u32, value: f64, labels: &[&str]) {
    #[cfg(target_family = "wasm")]
    {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        crate::bindings::dynamo::worker::metrics::record_value(position, value, &labels);
    }
    #[cfg(not(target_family = "wasm"))]
    let _ = (position, value, labels);
}
