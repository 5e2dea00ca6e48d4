//! What engines say about their KV cache: batches of events, into the account that routers ask.
//!
//! The first byte is the size of the host's blocks; the rest is one batch, which is also read as what
//! a scheduler says of its load.

#![no_main]

use bytes::Bytes;
// For its allocator.
use dynamo_host_fuzz as _;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

#[allow(dead_code)]
#[path = "../../../host/kv/src/batch/mod.rs"]
mod batch;
#[path = "../../../host/kv/src/event.rs"]
mod event;
#[path = "../../../host/kv/src/hash.rs"]
mod hash;
#[allow(dead_code)]
#[path = "../../../host/kv/src/ledger.rs"]
mod ledger;
#[allow(dead_code)]
#[path = "../../../host/kv/src/load.rs"]
mod load;
#[path = "../../../host/kv/src/tree.rs"]
mod tree;

use batch::{Change, Decoder};
use ledger::Ledger;
use load::Load;

const WORKER: u64 = 7;

fuzz_target!(|data: &[u8]| {
    let Some((block_size, payload)) = data.split_first() else { return };
    if let Some(load) = Load::published(0, payload) {
        assert!(load.usage() >= 0.0);
        load.encode(WORKER, (*block_size).into());
        load.total_blocks((*block_size).into());
    }
    let mut decoder = Decoder::new((*block_size).into());
    let batch = decoder.decode(payload);
    let again = decoder.decode(payload);
    // A time may be no number, which is not even equal to itself.
    assert_eq!(format!("{batch:?}"), format!("{again:?}"), "nothing is left of the batch before");
    let Ok(batch) = batch else { return };

    let mut ledger = Ledger::new(WORKER, 0);
    let mut events: Vec<Bytes> = Vec::new();
    for change in batch.changes {
        if let Change::Stored(stored) = &change {
            assert!(!stored.blocks.is_empty() && *block_size > 0);
        }
        ledger.enter(change, &mut events);
    }
    for event in &events {
        rmp_serde::from_slice::<IgnoredAny>(event).expect("an event is MessagePack");
    }
    check_answers(&ledger, events.len());
});

fn check_answers(ledger: &Ledger, events: usize) {
    let ask = |query: Value| -> Value {
        rmp_serde::from_slice(&ledger.answer(&query)).expect("an answer is MessagePack")
    };
    let dump = ask(json!({"worker_id": WORKER, "dp_rank": 0}));
    let told: usize = list(&dump["TreeDump"]["events"])
        .iter()
        .map(|event| list(&event["event"]["data"]["stored"]["blocks"]).len())
        .sum();
    assert_eq!(told, ledger.blocks(), "each block is told once");
    let since = ask(json!({"worker_id": WORKER, "dp_rank": 0, "start_event_id": 1}));
    if let Value::Array(kept) = &since["Events"]["events"] {
        assert!(kept.len() <= events);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
