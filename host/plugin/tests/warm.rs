//! Instances that are used again, where the manifest asks for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{all_grants, component, told_to};
use dynamo_host_plugin::{Held, Kind, Limits, Plugin, Runtime, Session};

async fn warm() -> Plugin {
    let limits = Limits { instances: 8, ..Limits::default() };
    Plugin::load(&Runtime::new(limits).unwrap(), &component("routed").await, &all_grants())
        .await
        .unwrap()
}

/// Plans a request, and says how many the instance had served before.
async fn served_before(session: &mut Session, state: &Vec<u8>) -> u8 {
    let plan =
        session.plan(state, &told_to("nothing"), Arc::from([]), Held::default()).await.unwrap();
    plan.preface[0][0]
}

/// The worker's state: a tuple of one text.
fn state() -> Vec<u8> {
    vec![0x91, 0xa1, b'm']
}

#[tokio::test]
async fn an_instance_serves_one_response_after_another() {
    let plugin = warm().await;
    for expected in 0..3 {
        let mut session = plugin.session().await.unwrap();
        assert_eq!(served_before(&mut session, &state()).await, expected);
        session.close().await;
    }
}

#[tokio::test]
async fn two_responses_never_share_one() {
    let plugin = warm().await;
    let mut first = plugin.session().await.unwrap();
    assert_eq!(served_before(&mut first, &state()).await, 0);
    let mut second = plugin.session().await.unwrap();
    assert_eq!(served_before(&mut second, &state()).await, 0);
}

#[tokio::test]
async fn a_response_that_is_dropped_takes_its_instance_with_it() {
    let plugin = warm().await;
    let mut dropped = plugin.session().await.unwrap();
    served_before(&mut dropped, &state()).await;
    drop(dropped);
    let mut next = plugin.session().await.unwrap();
    assert_eq!(served_before(&mut next, &state()).await, 0);
}

#[tokio::test]
async fn an_instance_that_trapped_is_never_used_again() {
    let plugin = warm().await;
    let mut trapped = plugin.session().await.unwrap();
    let failure = trapped
        .plan(&state(), &told_to("trap"), Arc::from([]), Held::default())
        .await
        .expect_err("it traps");
    assert_eq!(failure.kind, Kind::Internal);
    trapped.close().await;
    let mut next = plugin.session().await.unwrap();
    assert_eq!(served_before(&mut next, &state()).await, 0);
}
