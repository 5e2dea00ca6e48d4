#![allow(clippy::unwrap_used)]

use super::*;
use crate::batch::Block;

fn stored(parent: Option<u64>, hash: u64) -> Change {
    let blocks = vec![Block { hash, tokens: hash }];
    Change::Stored(Stored { tier: Tier::Device, parent, blocks, session: None })
}

fn removed(hash: u64) -> Change {
    Change::Removed { tier: Tier::Device, hashes: vec![hash] }
}

fn enter(ledger: &mut Ledger, change: Change) -> Vec<Bytes> {
    let mut events = Vec::new();
    ledger.enter(change, &mut events);
    events
}

fn ask(ledger: &Ledger, start: Option<u64>) -> Value {
    let query =
        json!({"worker_id": 7, "dp_rank": 2, "start_event_id": start, "end_event_id": null});
    rmp_serde::from_slice(&ledger.answer(&query)).unwrap()
}

fn ids(answer: &Value) -> Vec<u64> {
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["event"]["event_id"].as_u64().unwrap()).collect()
}

#[test]
fn an_event_is_what_dynamo_publishes() {
    let mut ledger = Ledger::new(7, 2);
    let event = enter(&mut ledger, stored(Some(1), 2)).remove(0);
    let event: Value = rmp_serde::from_slice(&event).unwrap();
    assert_eq!(
        event,
        json!({
            "worker_id": 7, "storage_tier": "device", "residency_domain": "worker",
            "event": {
                "event_id": 1, "dp_rank": 2,
                "data": {"stored": {
                    "parent_hash": 1, "start_position": null,
                    "blocks": [{"block_hash": 2, "tokens_hash": 2, "mm_extra_info": null}],
                }},
            },
        })
    );
    let event = enter(&mut ledger, Change::Cleared).remove(0);
    let event: Value = rmp_serde::from_slice(&event).unwrap();
    assert_eq!(event["event"]["data"], "cleared");
}

#[test]
fn a_router_gets_what_it_missed() {
    let mut ledger = Ledger::new(7, 2);
    enter(&mut ledger, stored(None, 1));
    enter(&mut ledger, stored(Some(1), 2));
    enter(&mut ledger, removed(2));
    let answer = ask(&ledger, Some(2));
    assert_eq!(ids(&answer["Events"]), [2, 3]);
    assert_eq!(answer["Events"]["last_event_id"], 3);
    assert_eq!(ask(&ledger, Some(4))["TooNew"]["newest_available"], 3);
}

#[test]
fn what_came_before_a_clear_is_not_told_again() {
    let mut ledger = Ledger::new(7, 2);
    enter(&mut ledger, stored(None, 1));
    enter(&mut ledger, Change::Cleared);
    enter(&mut ledger, stored(None, 3));
    assert_eq!(ids(&ask(&ledger, Some(1))["Events"]), [2, 3]);
}

#[test]
fn a_router_that_comes_late_gets_the_whole_cache() {
    let mut ledger = Ledger::new(7, 2);
    assert_eq!(
        ask(&ledger, None),
        json!({"TreeDump": {"events": [], "last_event_id": 0, "reset_scope": "all"}})
    );
    enter(&mut ledger, stored(None, 1));
    enter(&mut ledger, stored(Some(1), 2));
    enter(&mut ledger, removed(2));
    let answer = ask(&ledger, None);
    assert_eq!(answer["TreeDump"]["last_event_id"], 3);
    let events = answer["TreeDump"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["event"]["data"]["stored"]["blocks"][0]["block_hash"], 1);
}

#[test]
fn a_router_that_missed_more_than_is_kept_gets_the_whole_cache() {
    let mut ledger = Ledger::new(7, 2);
    for hash in 0..2 * KEPT as u64 {
        enter(&mut ledger, stored(None, hash));
    }
    assert!(ask(&ledger, Some(5)).get("TreeDump").is_some());
    assert_eq!(ids(&ask(&ledger, Some(2 * KEPT as u64))["Events"]), [2 * KEPT as u64]);
}

#[test]
fn a_block_the_engine_has_twice_stays_when_one_goes() {
    let mut ledger = Ledger::new(7, 2);
    enter(&mut ledger, stored(None, 1));
    enter(&mut ledger, stored(None, 1));
    assert!(enter(&mut ledger, removed(1)).is_empty());
    assert_eq!(enter(&mut ledger, removed(1)).len(), 1);
    assert_eq!(ledger.blocks(), 0);
}

#[test]
fn the_question_must_be_for_this_rank() {
    let ledger = Ledger::new(7, 2);
    for query in [
        json!({"worker_id": 8, "dp_rank": 2}),
        json!({"worker_id": 7, "dp_rank": 0}),
        json!({"worker_id": 7, "dp_rank": 2, "kind": {"Status": {}}}),
    ] {
        let answer: Value = rmp_serde::from_slice(&ledger.answer(&query)).unwrap();
        assert!(answer["Error"].is_string(), "{answer}");
    }
}

#[test]
fn a_long_chain_becomes_several_events_that_follow_each_other() {
    let mut ledger = Ledger::new(7, 2);
    let blocks = (0..LONGEST as u64 + 1).map(|hash| Block { hash, tokens: hash }).collect();
    let chain = Stored { tier: Tier::Device, parent: None, blocks, session: None };
    let events = enter(&mut ledger, Change::Stored(chain));
    assert_eq!(events.len(), 2);
    let second: Value = rmp_serde::from_slice(&events[1]).unwrap();
    let stored = &second["event"]["data"]["stored"];
    assert_eq!(stored["parent_hash"], LONGEST as u64 - 1);
    assert_eq!(stored["blocks"].as_array().unwrap().len(), 1);
    let gone = (0..LONGEST as u64 + 1).collect();
    let gone = Change::Removed { tier: Tier::Device, hashes: gone };
    assert_eq!(enter(&mut ledger, gone).len(), 2);
    assert_eq!(ledger.blocks(), 0);
}

#[test]
fn under_another_id_the_cache_is_the_same() {
    let mut ledger = Ledger::new(6, 2);
    enter(&mut ledger, stored(None, 1));
    ledger.renew(7);
    let answer = ask(&ledger, Some(1));
    let events = answer["TreeDump"]["events"].as_array().unwrap();
    assert_eq!(events[0]["worker_id"], 7);
    assert_eq!(answer["TreeDump"]["last_event_id"], 1);
}
