//! Under which names a plugin's metrics are shown.

use crate::Metric;

/// What begins the names of metrics whose plugin takes the place of a worker of Dynamo's: dashboards
/// look for those.
const DYNAMO: &str = "dynamo_";

/// What begins all other names.
const OURS: &str = "dynamo_host_plugin_";

/// Families somebody else records: the host, and what Dynamo's runtime registers in a worker's
/// process (`prometheus_names.rs` of 1.6.1) or Dynamo's frontend and router in theirs.
const RESERVED: [&str; 14] = [
    "dynamo_host_",
    "dynamo_component_",
    "dynamo_frontend_",
    "dynamo_kvbm_",
    "dynamo_kvindexer_",
    "dynamo_kvrouter_",
    "dynamo_kvstats_",
    "dynamo_rejection_",
    "dynamo_request_plane_",
    "dynamo_router_",
    "dynamo_routing_overhead_",
    "dynamo_tokio_",
    "dynamo_transport_",
    "dynamo_work_handler_",
];

/// What Dynamo's own workers record under the runtime's prefix: a plugin in their place may, too.
const ALLOWED: [&str; 2] = ["dynamo_component_embedding_cache_", "dynamo_component_image_"];

/// Whether the metric is one of Dynamo's own workers'.
pub fn is_dynamos(metric: &Metric) -> bool {
    metric.name.starts_with(DYNAMO)
}

/// The Prometheus family of a metric.
pub fn family_name(metric: &Metric) -> String {
    if is_dynamos(metric) { metric.name.clone() } else { format!("{OURS}{}", metric.name) }
}

/// The first family that somebody else records, and by what it is known as theirs.
pub(crate) fn taken(metrics: &[Metric]) -> Option<(String, &'static str)> {
    metrics.iter().find_map(|Metric { name, .. }| {
        let begins = |prefix: &&str| name.starts_with(prefix);
        let reserved = RESERVED.into_iter().find(begins)?;
        ALLOWED.iter().all(|prefix| !begins(prefix)).then(|| (name.clone(), reserved))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instrument;

    fn metric(name: &str) -> Metric {
        Metric {
            name: name.into(),
            help: String::new(),
            instrument: Instrument::Counter,
            labels: Vec::new(),
            buckets: Vec::new(),
        }
    }

    #[test]
    fn names_of_dynamos_stay_and_others_are_put_under_ours() {
        for (name, family) in [
            ("dynamo_embedding_batch_size", "dynamo_embedding_batch_size"),
            ("hits", "dynamo_host_plugin_hits"),
            ("dynamos", "dynamo_host_plugin_dynamos"),
        ] {
            assert_eq!(family_name(&metric(name)), family);
        }
    }

    #[test]
    fn what_others_record_is_taken() {
        for name in [
            "dynamo_host_engine_restarts_total",
            "dynamo_host_plugin_info",
            "dynamo_component_requests_total",
            "dynamo_frontend_requests_total",
            "dynamo_work_handler_queue_depth",
        ] {
            let found = taken(&[metric("dynamo_embedding_batch_size"), metric(name)]);
            assert_eq!(found.map(|(family, _)| family).as_deref(), Some(name));
        }
        let own =
            ["component_requests", "dynamo_embedding_x", "dynamo_component_image_cache_entries"];
        assert_eq!(taken(&own.map(metric)), None);
    }
}
