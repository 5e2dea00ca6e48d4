//! A plugin that misbehaves fails its own request, by type, and the next one is served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{misbehave, told_to};
use dynamo_host_plugin::{Failure, Held, Kind, Limits, Output, Plugin, ResponsePlan};

/// So patient that a slow machine does not matter where time is not the point.
fn limits() -> Limits {
    Limits { call: Duration::from_secs(60), instances: 8, ..Limits::default() }
}

/// Short, so that loops end soon; what behaves takes microseconds.
fn impatient() -> Limits {
    Limits { call: Duration::from_secs(2), ..limits() }
}

async fn plan(plugin: &Plugin, what: &str, ids: &[u32]) -> Result<ResponsePlan, Failure> {
    let mut session = plugin.session().await?;
    session.plan(&vec![0xc0], &told_to(what), Arc::from(ids), Held::default()).await
}

/// Plans a request that behaves, then converts `event`.
async fn push(plugin: &Plugin, event: &str) -> Result<Output, Failure> {
    let mut session = plugin.session().await?;
    session
        .plan(&vec![0xc0], &told_to("nothing"), Arc::from([]), Held::default())
        .await
        .expect("plans");
    let first = session.push(&[event.into()]).await;
    if first.is_err() {
        let again = session.push(&["x".into()]).await.expect_err("a spent instance is not used");
        assert_eq!(again.kind, Kind::Internal);
    }
    first
}

async fn serves(plugin: &Plugin) {
    plan(plugin, "nothing", &[]).await.expect("the next request is served");
}

#[tokio::test]
async fn a_trap_is_an_internal_failure_that_names_plugin_and_export() {
    let plugin = misbehave(limits()).await;
    for (failure, export) in [
        (plan(&plugin, "trap", &[]).await.unwrap_err(), "plan"),
        (push(&plugin, "trap").await.unwrap_err(), "push"),
    ] {
        assert_eq!((failure.kind, failure.public), (Kind::Internal, false), "{failure}");
        assert!(failure.message.contains("misbehave") && failure.message.contains(export));
        serves(&plugin).await;
    }
}

#[tokio::test]
async fn a_loop_ends_at_its_deadline() {
    let plugin = misbehave(impatient()).await;
    for failure in
        [plan(&plugin, "loop", &[]).await.unwrap_err(), push(&plugin, "loop").await.unwrap_err()]
    {
        assert_eq!(failure.kind, Kind::DeadlineExceeded, "{failure}");
        serves(&plugin).await;
    }
}

#[tokio::test]
async fn others_are_served_while_one_loops() {
    // One thread for both: the loop must let go of it.
    let plugin = misbehave(limits()).await;
    let looping = plugin.clone();
    let looping = tokio::spawn(async move { plan(&looping, "loop", &[]).await });
    for _ in 0..20 {
        serves(&plugin).await;
    }
    assert!(!looping.is_finished());
    looping.abort();
    assert!(looping.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn memory_without_end_is_refused_and_said_to_be_the_reason() {
    let plugin = misbehave(limits()).await;
    let failure = plan(&plugin, "allocate", &[]).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Internal);
    assert!(failure.message.contains("64 MiB"), "{failure}");
    let failure = push(&plugin, "allocate").await.unwrap_err();
    assert!(failure.message.contains("64 MiB"), "{failure}");
    serves(&plugin).await;
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    let plugin = misbehave(limits()).await;
    assert_eq!(plan(&plugin, "recurse", &[]).await.unwrap_err().kind, Kind::Internal);
    serves(&plugin).await;
}

#[tokio::test]
async fn floods_of_output_are_dropped() {
    let plugin = misbehave(limits()).await;
    for flood in ["flood-log", "print"] {
        plan(&plugin, flood, &[]).await.expect("only the output is lost");
    }
}

#[tokio::test]
async fn a_refusal_is_the_plugins_own_word() {
    let plugin = misbehave(limits()).await;
    let failure = plan(&plugin, "refuse", &[]).await.unwrap_err();
    assert_eq!(failure, Failure::invalid_request("told to refuse"));
    // In the converter it comes after the chunks of the same batch.
    let output = push(&plugin, "refuse").await.unwrap();
    let end = output.end.expect("the response is over");
    assert_eq!(Failure::from(end.failure.expect("with a failure")).kind, Kind::InvalidRequest);
}

#[tokio::test]
async fn the_prompt_is_read_through_its_handle() {
    let plugin = misbehave(limits()).await;
    let ids: Vec<u32> = (0..10_000).collect();
    let planned = plan(&plugin, "sum", &ids).await.unwrap();
    assert_eq!(planned.preface, [b"\x81\xa3sum\xce\x02\xfa\xdc\xf8".to_vec()]);
}

#[tokio::test]
async fn requests_share_no_instance_and_see_the_same_world() {
    let plugin = misbehave(limits()).await;
    for what in ["count", "hash"] {
        let first = plan(&plugin, what, &[]).await.unwrap().preface;
        assert_eq!(first, plan(&plugin, what, &[]).await.unwrap().preface, "{what}");
    }
}

#[tokio::test]
async fn a_full_pool_is_capacity_exhausted() {
    let plugin = misbehave(Limits { instances: 2, ..limits() }).await;
    let held = [plugin.session().await.unwrap(), plugin.session().await.unwrap()];
    assert_eq!(plugin.session().await.unwrap_err().kind, Kind::CapacityExhausted);
    drop(held);
    serves(&plugin).await;
}
