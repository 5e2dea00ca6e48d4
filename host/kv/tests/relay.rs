//! The relay behind a socket that publishes what engines have published.

#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_kv::{Counters, Ledger, Load, LoadOutlet, Outlet, Outlets, Rank, Relay, Source};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zmq::Socket;

/// Far more than any of this takes, so that a failure is one.
const LONG: Duration = Duration::from_secs(20);

/// What reaches the event plane.
struct Heard(mpsc::UnboundedSender<Value>);

#[async_trait]
impl Outlet for Heard {
    async fn publish(&self, message: Vec<u8>) -> Result<(), String> {
        let message: Value = rmp_serde::from_slice(&message).unwrap();
        match message {
            Value::Array(events) => {
                events.into_iter().for_each(|event| self.0.send(event).unwrap())
            }
            other => self.0.send(other).unwrap(),
        }
        Ok(())
    }
}

#[async_trait]
impl LoadOutlet for Heard {
    async fn load(&self, load: Load) {
        self.0.send(json!({"used": load.used})).unwrap();
    }
}

/// Stands where an engine's publisher does: sends given bytes, and tells them again when asked.
struct ReplayingPublisher {
    publish: Socket,
    replay: Option<Socket>,
    source: Source,
    folder: tempfile::TempDir,
}

impl ReplayingPublisher {
    fn new(replays: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("ipc://{}/{name}", folder.path().display());
        let context = zmq::Context::new();
        let bound = |kind, name: &str| {
            let socket = context.socket(kind).unwrap();
            socket.bind(&at(name)).unwrap();
            socket.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
            socket
        };
        let source = Source {
            endpoint: Some(at("events")),
            replay: replays.then(|| at("replay")),
            ..Source::default()
        };
        let replay = replays.then(|| bound(zmq::ROUTER, "replay"));
        ReplayingPublisher { publish: bound(zmq::PUB, "events"), replay, source, folder }
    }

    fn publish(&self, frames: &[Vec<u8>]) {
        self.publish.send_multipart(frames, 0).unwrap();
    }

    /// Answers one request to tell again; returns from which number.
    fn answer(&self, batches: &[Vec<Vec<u8>>]) -> u64 {
        let replay = self.replay.as_ref().unwrap();
        let request = replay.recv_multipart(0).unwrap();
        let start = u64::from_be_bytes(request[2].as_slice().try_into().unwrap());
        for frames in batches {
            let number =
                u64::from_be_bytes(frames[frames.len() - 2].as_slice().try_into().unwrap());
            // The last of a recording is the mark of its end.
            if number >= start {
                let mut message = vec![request[0].clone()];
                message.extend(frames.iter().cloned());
                replay.send_multipart(message, 0).unwrap();
            }
        }
        start
    }
}

struct Relayed {
    relay: Relay,
    heard: mpsc::UnboundedReceiver<Value>,
    ledger: Arc<Mutex<Ledger>>,
    counters: Counters,
}

impl Relayed {
    fn start(source: &Source, block_size: u32) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let outlet = Arc::new(Heard(tell));
        let ledger = Arc::new(Mutex::new(Ledger::new(7, source.rank)));
        let outlets = Outlets {
            events: Some(outlet.clone()),
            load: Some(outlet.clone()),
            forward_pass: Some(outlet),
        };
        let rank = Rank { source: source.clone(), ledger: ledger.clone(), outlets };
        let counters = Counters::new().unwrap();
        let relay = Relay::start(vec![rank], block_size, &counters).unwrap();
        Relayed { relay, heard, ledger, counters }
    }

    async fn next(&mut self) -> Value {
        tokio::time::timeout(LONG, self.heard.recv()).await.unwrap().unwrap()
    }

    /// The next events, as `(id, kind)`.
    async fn kinds(&mut self, count: usize) -> Vec<(u64, String)> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            let event = self.next().await["event"].take();
            let kind = match &event["data"] {
                Value::String(kind) => kind.clone(),
                Value::Object(data) => data.keys().next().unwrap().clone(),
                other => panic!("{other}"),
            };
            kinds.push((event["event_id"].as_u64().unwrap(), kind));
        }
        kinds
    }

    fn counted(&self, name: &str) -> u64 {
        let families = self.counters.collectors();
        let families = families.iter().flat_map(|collector| collector.collect());
        let family = families.into_iter().find(|family| family.name() == name).unwrap();
        family.get_metric()[0].get_counter().value() as u64
    }
}

/// The recording without its mark of the end.
fn recorded() -> Vec<Vec<Vec<u8>>> {
    let mut batches = support::capture("sglang_replay.jsonl");
    batches.pop();
    batches.iter_mut().for_each(|frames| drop(frames.remove(0)));
    batches
}

/// Publishes until the relay, which subscribes at its own pace, has heard of it.
async fn until_heard(
    publisher: &ReplayingPublisher,
    relayed: &mut Relayed,
    frames: &[Vec<u8>],
) -> Value {
    loop {
        publisher.publish(frames);
        if let Ok(event) =
            tokio::time::timeout(Duration::from_millis(50), relayed.heard.recv()).await
        {
            return event.unwrap();
        }
    }
}

fn numbered(number: u64, at: f64, events: &Value) -> Vec<Vec<u8>> {
    let payload = rmp_serde::to_vec(&json!([at, events, 0])).unwrap();
    vec![b"kv".to_vec(), number.to_be_bytes().to_vec(), payload]
}

fn stored(hash: u64) -> Value {
    json!([{"type": "BlockStored", "block_hashes": [hash], "parent_block_hash": null,
            "token_ids": [1, 2], "block_size": 2, "lora_id": null}])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_before_we_came_is_told_again() {
    let publisher = ReplayingPublisher::new(true);
    let mut relayed = Relayed::start(&publisher.source, 16);
    let told_from = publisher.answer(&support::capture("sglang_replay.jsonl"));
    assert_eq!(told_from, 0);
    let kinds = relayed.kinds(7).await;
    let kinds: Vec<&str> = kinds.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["cleared", "stored", "stored", "stored", "stored", "stored", "cleared"]);
    assert_eq!(relayed.counted("dynamo_host_kv_recovered_batches_total"), 7);
    assert_eq!(relayed.counted("dynamo_host_kv_lost_batches_total"), 0);
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_filled_before_what_follows_it() {
    let publisher = ReplayingPublisher::new(true);
    let mut relayed = Relayed::start(&publisher.source, 16);
    let all = support::capture("sglang_replay.jsonl");
    let end = all.last().unwrap().clone();
    publisher.answer(std::slice::from_ref(&end));
    let batches = recorded();
    until_heard(&publisher, &mut relayed, &batches[0]).await;
    // 1 to 3 are lost on the way.
    publisher.publish(&batches[4]);
    assert_eq!(publisher.answer(&all), 1);
    let ids: Vec<u64> = relayed.kinds(6).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [2, 3, 4, 5, 6, 7]);
    assert_eq!(relayed.counted("dynamo_host_kv_lost_batches_total"), 0);
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_tells_again_is_counted() {
    let publisher = ReplayingPublisher::new(false);
    let mut relayed = Relayed::start(&publisher.source, 2);
    until_heard(&publisher, &mut relayed, &numbered(5, 1.0, &stored(1))).await;
    publisher.publish(&numbered(8, 2.0, &stored(2)));
    relayed.next().await;
    assert_eq!(relayed.counted("dynamo_host_kv_lost_batches_total"), 5 + 2);
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_engine_behind_the_socket_begins_with_a_clear() {
    let publisher = ReplayingPublisher::new(false);
    let mut relayed = Relayed::start(&publisher.source, 2);
    until_heard(&publisher, &mut relayed, &numbered(5, 10.0, &stored(1))).await;
    // The same batch again is not another engine.
    publisher.publish(&numbered(5, 10.0, &stored(1)));
    publisher.publish(&numbered(0, 20.0, &stored(2)));
    let kinds = relayed.kinds(2).await;
    assert_eq!(kinds, [(2, "cleared".to_owned()), (3, "stored".to_owned())]);
    assert_eq!(relayed.ledger.lock().unwrap().blocks(), 1);
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ended_leaves_an_empty_cache_and_its_successor_fills_it() {
    let publisher = ReplayingPublisher::new(true);
    let end = support::capture("sglang_replay.jsonl").pop().unwrap();
    let mut relayed = Relayed::start(&publisher.source, 2);
    publisher.answer(std::slice::from_ref(&end));
    until_heard(&publisher, &mut relayed, &numbered(0, 1.0, &stored(1))).await;
    relayed.relay.engine_is_lost();
    assert_eq!(relayed.kinds(1).await, [(2, "cleared".to_owned())]);
    assert_eq!(relayed.ledger.lock().unwrap().blocks(), 0);
    relayed.relay.engine_is_back();
    let mut again = numbered(0, 2.0, &stored(2));
    again.insert(0, Vec::new());
    assert_eq!(publisher.answer(&[again, end]), 0);
    assert_eq!(relayed.kinds(1).await, [(3, "stored".to_owned())]);
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_connects_finds_us_listening() {
    let publisher = ReplayingPublisher::new(false);
    let ours = format!("ipc://{}/ours", publisher.folder.path().display());
    let source = Source { bind: Some(ours.clone()), ..publisher.source.clone() };
    let mut relayed = Relayed::start(&source, 2);
    publisher.publish.connect(&ours).unwrap();
    until_heard(&publisher, &mut relayed, &numbered(0, 1.0, &stored(1))).await;
    relayed.relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_read_stops_nothing() {
    let publisher = ReplayingPublisher::new(false);
    let mut relayed = Relayed::start(&publisher.source, 2);
    until_heard(&publisher, &mut relayed, &numbered(0, 1.0, &stored(1))).await;
    publisher.publish(&[b"kv".to_vec()]);
    publisher.publish(&[b"kv".to_vec(), 1_u64.to_be_bytes().to_vec(), b"\xc1".to_vec()]);
    publisher.publish(&numbered(2, 2.0, &stored(2)));
    relayed.next().await;
    assert_eq!(relayed.counted("dynamo_host_kv_malformed_batches_total"), 2);
    assert_eq!(relayed.counted("dynamo_host_kv_lost_batches_total"), 0);
    relayed.relay.stop().await;
}

/// Forward-pass metrics go on byte for byte: the vector is what SGLang sent and Dynamo read.
#[tokio::test(flavor = "multi_thread")]
async fn load_and_forward_passes_go_their_ways() {
    let publisher = ReplayingPublisher::new(false);
    let endpoint = publisher.source.endpoint.clone();
    let load = Source { load: endpoint.clone(), ..Source::default() };
    let mut relayed = Relayed::start(&load, 16);
    let stat = rmp_serde::to_vec(&json!(["LoadStat", 1, 0, 33, 64, 0, 0, 33])).unwrap();
    let frames = vec![b"load".to_vec(), vec![0; 8], stat];
    assert_eq!(until_heard(&publisher, &mut relayed, &frames).await, json!({"used": 33}));
    relayed.relay.stop().await;

    let passes = Source { forward_pass: endpoint, ..Source::default() };
    let mut relayed = Relayed::start(&passes, 16);
    for vector in support::vectors("metrics_wire.json", "fpm_wire/") {
        let pass = support::base64(vector["input"]["frame"]["$bytes_b64"].as_str().unwrap());
        let frames = vec![Vec::new(), vec![0; 8], pass];
        let heard = until_heard(&publisher, &mut relayed, &frames).await;
        assert_eq!(heard, vector["expected"]["decoded"], "{}", vector["name"]);
    }
    relayed.relay.stop().await;
}

/// The vectors hold what Dynamo published for a message of SGLang's scheduler, in tokens.
#[test]
fn a_load_is_counted_in_blocks_as_dynamo_counts_them() {
    for vector in support::vectors("kv_and_metrics.json", "scheduler_metrics/") {
        let said = &vector["input"]["kv_metrics"];
        let page_size = vector["input"]["page_size"].as_u64().unwrap_or(1) as u32;
        let load = Load {
            rank: said["data_parallel_rank"].as_u64().unwrap_or(0) as u32,
            used: said["kv_active_blocks"].as_u64().unwrap(),
            total: said["kv_total_blocks"].as_u64().unwrap(),
        };
        let published = vector["expected"]["published"].as_array().unwrap();
        let event: Value = rmp_serde::from_slice(&load.encode(7, page_size)).unwrap();
        let expected = &published[0]["event_plane"];
        assert_eq!(event["dp_rank"], expected["dp_rank"], "{}", vector["name"]);
        assert_eq!(event["kv_used_blocks"], expected["kv_used_blocks"], "{}", vector["name"]);
        assert_eq!(load.total_blocks(page_size), published[1]["value"].as_u64().unwrap());
    }
}
