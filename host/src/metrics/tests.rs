//! The host's numbers, as they are shown.

#![allow(clippy::unwrap_used)]
use dynamo_host_plugin::{Fault, Instrument, Isolation, Metric, MetricSink};

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
fn calls_are_counted_by_export_and_failures_by_what_they_were() {
    let metrics = Metrics::new().unwrap();
    let (_, plugin) = recorders(&metrics, Vec::new());
    plugin.called("push", Duration::from_millis(500), None);
    plugin.called("push", Duration::from_millis(250), Some(Fault::Trap));
    let text = metrics.text();
    for line in [
        r#"dynamo_host_plugin_calls_total{export="push",plugin="p"} 2"#,
        r#"dynamo_host_plugin_compute_seconds_total{export="push",plugin="p"} 0.75"#,
        r#"dynamo_host_plugin_faults_total{export="push",fault="trap",plugin="p"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_a_plugin_may_not_have_is_counted_by_import() {
    let metrics = Metrics::new().unwrap();
    let (_, plugin) = recorders(&metrics, Vec::new());
    plugin.denials().count("media");
    plugin.denials().count("media");
    Denials::default().count("media");
    let line = r#"dynamo_host_plugin_denied_total{import="media",plugin="p"} 2"#;
    assert!(metrics.text().contains(line), "{}", metrics.text());
}

#[test]
fn the_load_time_of_the_last_start_is_shown_in_its_place() {
    let metrics = Metrics::new().unwrap();
    assert!(!metrics.text().contains("load"), "there is no engine yet");
    metrics.place(vec![("dynamo_component".into(), "backend".into())]);
    metrics.engine_loaded(Duration::from_secs(3));
    metrics.engine_loaded(Duration::from_secs(2));
    let text = metrics.text();
    assert!(text.contains(r#"load_time_seconds{dynamo_component="backend"} 2"#), "{text}");
    assert!(text.contains("dynamo_host_engine_load_seconds 2"), "{text}");
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
