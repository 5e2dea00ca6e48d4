//! A plugin that is loaded and tried while another one serves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{all_grants, component, told_to};
use dynamo_host_plugin::{Fault, Held, Hooks, Limits, MetricSink, Plugin, Runtime};

/// Counts how often an instance has grown.
#[derive(Default)]
struct Grown(AtomicUsize);

impl MetricSink for Grown {
    fn record(&self, _: u32, _: f64, _: &[String]) {}

    fn instance_grew(&self, _: usize) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn called(&self, _: &'static str, _: Duration, _: Option<Fault>) {}
}

async fn serves(plugin: &Plugin) -> bool {
    let mut session = plugin.session().await.unwrap();
    let plan = session
        .plan(&vec![0xc0], &told_to("count"), Arc::default(), Held::default())
        .await
        .unwrap();
    !plan.preface.is_empty()
}

#[tokio::test]
async fn a_plugin_that_is_compiled_in_the_background_serves() {
    let limits = Limits { instances: 4, ..Limits::default() };
    let runtime = Runtime::new(limits).unwrap().in_background().unwrap();
    let plugin =
        Plugin::load(&runtime, &component("misbehave").await, &all_grants()).await.unwrap();
    drop(runtime);
    assert!(serves(&plugin).await);
}

#[tokio::test]
async fn a_twin_is_connected_to_nothing_of_the_other_one() {
    let plugin = common::misbehave(Limits { instances: 4, ..Limits::default() }).await;
    let twin = plugin.twin();
    let grown = Arc::new(Grown::default());
    plugin.connect(Hooks { metrics: Some(grown.clone()), ..Hooks::default() });
    assert!(serves(&twin).await);
    assert_eq!(grown.0.load(Ordering::Relaxed), 0);
    assert!(serves(&plugin).await);
    assert!(grown.0.load(Ordering::Relaxed) > 0);
    assert_eq!(plugin.digest(), twin.digest());
}
