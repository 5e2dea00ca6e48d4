//! Batches as engines publish them: recorded, of all forms, and broken.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use dynamo_host_kv::batch::Malformed;
use dynamo_host_kv::{Block, Change, Decoder, Stored, Tier, hash};
use serde_json::{Value, json};

fn decode(block_size: u32, events: Value) -> dynamo_host_kv::batch::Batch {
    let payload = rmp_serde::to_vec(&json!([1.5, events, 0])).unwrap();
    Decoder::new(block_size).decode(&payload).unwrap()
}

fn tokens_hash(tokens: &[u32], lora: Option<&str>, salt: Option<&str>) -> u64 {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    hash::block(&bytes, hash::seed(lora, salt))
}

fn stored(change: &Change) -> &Stored {
    let Change::Stored(stored) = change else { panic!("{change:?}") };
    stored
}

/// By `dynamo._core.compute_block_hash_for_seq` of ai-dynamo-runtime 1.6.1.
#[test]
fn blocks_have_the_hashes_dynamo_gives_them() {
    let batch = &support::capture("sglang_events.jsonl")[0];
    let batch = Decoder::new(16).decode(batch.last().unwrap()).unwrap();
    let blocks = &stored(&batch.changes[0]).blocks;
    let hashes: Vec<u64> = blocks.iter().map(|block| block.tokens).collect();
    assert_eq!(
        hashes,
        [
            10587879786615045113,
            3449936695100060273,
            280085813718337050,
            17489361152146173148,
            11653386610256925164,
            5686636965718565427,
            1741119899997030668,
        ]
    );
    for (lora, salt, expected) in [
        (Some("my-lora"), None, 5256215751407762649),
        (None, Some("tenant"), 9359679375550839337),
        (Some("my-lora"), Some("tenant"), 8292249860833061873),
    ] {
        assert_eq!(tokens_hash(&[5, 6], lora, salt), expected);
    }
    // A block of a cache of pairs (`is_eagle`).
    assert_eq!(tokens_hash(&[5, 6, 7], None, None), 7303261785411458280);
}

/// The vectors hold what SGLang's own encoder wrote, and what that says.
#[test]
fn sglangs_events_are_read_as_recorded() {
    for vector in support::vectors("kv_and_metrics.json", "kv_event_wire/") {
        let payload = support::bytes(vector["input"]["payload_hex"].as_str().unwrap());
        let said = &vector["expected"]["decoded"];
        let events = said[1].as_array().unwrap();
        let block_size = events[0]["block_size"].as_u64().unwrap_or(1);
        let batch = Decoder::new(block_size as u32).decode(&payload).unwrap();
        assert_eq!(batch.at, said[0].as_f64().unwrap(), "{}", vector["name"]);
        assert_eq!(batch.skipped, 0);
        let read: Vec<Change> = events.iter().map(expected).collect();
        assert_eq!(batch.changes, read, "{}", vector["name"]);
    }
}

fn expected(event: &Value) -> Change {
    let bits = |value: &Value| value.as_u64().unwrap_or_else(|| value.as_i64().unwrap() as u64);
    let tier = match event["medium"].as_str() {
        None | Some("GPU") => Tier::Device,
        Some("CPU_PINNED") => Tier::HostPinned,
        Some("DISK") => Tier::Disk,
        Some(_) => Tier::External,
    };
    let hashes =
        || event["block_hashes"].as_array().unwrap().iter().map(bits).collect::<Vec<u64>>();
    match event["type"].as_str().unwrap() {
        "BlockStored" => {
            let size = event["block_size"].as_u64().unwrap() as usize;
            let tokens: Vec<u32> = serde_json::from_value(event["token_ids"].clone()).unwrap();
            let (lora, salt) = (event["lora_name"].as_str(), event["cache_salt"].as_str());
            let hash_of = |tokens: &[u32]| tokens_hash(tokens, lora, salt);
            let blocks = hashes().into_iter().zip(tokens.chunks(size));
            Change::Stored(Stored {
                tier,
                parent: Some(&event["parent_block_hash"])
                    .filter(|parent| !parent.is_null())
                    .map(bits),
                blocks: blocks
                    .map(|(hash, tokens)| Block { hash, tokens: hash_of(tokens) })
                    .collect(),
                session: event["session_id"].as_str().map(str::to_owned),
            })
        }
        "BlockRemoved" => Change::Removed { tier, hashes: hashes() },
        _ => Change::Cleared,
    }
}

#[test]
fn an_older_engines_lists_say_the_same() {
    let map = json!({
        "type": "BlockStored", "block_hashes": [9, -9], "parent_block_hash": -1,
        "token_ids": [1, 2, 3, 4], "block_size": 2, "lora_id": null, "medium": "CPU_PINNED",
        "lora_name": "a",
    });
    let list =
        json!(["BlockStored", [9, -9], -1, [1, 2, 3, 4], 2, null, "CPU_PINNED", "a", null, 3]);
    assert_eq!(decode(2, json!([map])), decode(2, json!([list])));
    let salted = json!({
        "type": "BlockStored", "block_hashes": [9], "token_ids": [1, 2], "block_size": 2,
        "cache_salt": "t",
    });
    let list = json!(["BlockStored", [9], null, [1, 2], 2, null, null, {"cache_salt": "t"}]);
    assert_eq!(decode(2, json!([salted])), decode(2, json!([list])));
    // The first versions had no more than this.
    let list = json!(["BlockStored", [9], null, [1, 2], 2, null]);
    assert_eq!(decode(2, json!([list])).changes.len(), 1);
    let removed =
        json!([["BlockRemoved", [9]], ["BlockRemoved", [9], "DISK"], ["AllBlocksCleared"]]);
    assert_eq!(
        decode(2, removed).changes,
        [
            Change::Removed { tier: Tier::Device, hashes: vec![9] },
            Change::Removed { tier: Tier::Disk, hashes: vec![9] },
            Change::Cleared,
        ]
    );
}

#[test]
fn hashes_are_64_bits_whatever_their_sign() {
    let event = |hash: Value| json!([{"type": "BlockRemoved", "block_hashes": [hash]}]);
    assert_eq!(decode(1, event(json!(-1))), decode(1, event(json!(u64::MAX))));
}

#[test]
fn a_cache_of_pairs_overlaps_by_a_token() {
    let pairs = json!({
        "type": "BlockStored", "block_hashes": [1, 2], "block_size": 2,
        "token_ids": [[5, 6], [6, 7], [7, 8], [8, 9]],
    });
    let batch = decode(2, json!([pairs]));
    let blocks = &stored(&batch.changes[0]).blocks;
    assert_eq!(blocks[0].tokens, tokens_hash(&[5, 6, 7], None, None));
    assert_eq!(blocks[1].tokens, tokens_hash(&[7, 8, 9], None, None));
}

#[test]
fn vllms_events_are_read_too() {
    let batches = support::capture("vllm_events.jsonl");
    let batch = Decoder::new(32).decode(batches[0].last().unwrap()).unwrap();
    assert_eq!(stored(&batch.changes[0]).blocks.len(), 5);
}

#[test]
fn what_routers_cannot_use_is_counted() {
    let block = |more: Value| {
        let mut event = json!({
            "type": "BlockStored", "block_hashes": [1, 2], "token_ids": [1, 2, 3, 4], "block_size": 2,
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    for odd in [
        json!({"medium": "TAPE"}),
        json!({"block_size": 4}),
        json!({"block_hashes": [1, 1]}),
        json!({"parent_block_hash": 2}),
        json!({"token_ids": [1]}),
        json!({"locality": "REMOTE"}),
        json!({"kv_cache_spec_kind": "sliding_window"}),
        json!({"type": "SomethingNew"}),
    ] {
        let batch = decode(2, json!([block(odd.clone())]));
        assert_eq!((batch.changes.len(), batch.skipped), (0, 1), "{odd}");
    }
    assert_eq!(decode(2, json!([block(json!({"medium": "", "new": [{"a": [1.5]}]}))])).skipped, 0);
}

#[test]
fn no_cut_is_taken_for_a_batch() {
    for batch in support::capture("sglang_replay.jsonl") {
        let payload = batch.last().unwrap();
        let mut decoder = Decoder::new(16);
        // The last byte is the rank, which is not read.
        for end in 0..payload.len().saturating_sub(1) {
            assert_eq!(decoder.decode(&payload[..end]), Err(Malformed::Short), "{end}");
        }
    }
}

#[test]
fn nonsense_is_refused() {
    for payload in
        [&b"\x01"[..], b"\x93\x01\x91\x01\x00", b"\x91\x01", b"\xdd\xff\xff\xff\xff", b""]
    {
        assert!(Decoder::new(16).decode(payload).is_err(), "{payload:?}");
    }
}
