//! What was said of one rank: the last events by their numbers, and their sum.

use std::collections::VecDeque;

use bytes::Bytes;
use rmp::encode as write;
use serde_json::{Value, json};

use crate::batch::{Change, Stored, Tier};
use crate::event::{self, Stamp};
use crate::tree::Tree;

/// Events kept as they were published (`WORKER_KV_INDEXER_BUFFER_SIZE`): a router that missed more
/// gets the whole cache.
const KEPT: usize = 1024;

/// Blocks in one event: some 250 KB, where NATS by default takes a message of 1 MiB.
const LONGEST: usize = 4096;

/// The account of one rank. Mirrors `LocalKvIndexer` and the publisher's bookkeeping of Dynamo.
#[derive(Debug)]
pub struct Ledger {
    worker: u64,
    rank: u32,
    next: u64,
    /// By the order of [`Tier::ALL`].
    tiers: [Tree; 4],
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    id: u64,
    clears: bool,
    bytes: Bytes,
}

impl Ledger {
    /// An empty one: the first event has the number 1.
    pub fn new(worker: u64, rank: u32) -> Self {
        Ledger { worker, rank, next: 1, tiers: Default::default(), kept: VecDeque::new() }
    }

    /// Blocks in the cache, of all tiers.
    pub fn blocks(&self) -> usize {
        self.tiers.iter().map(Tree::len).sum()
    }

    /// Goes on for the same engine under another id in discovery. Events under the old one are not
    /// told again: routers get the whole cache instead.
    pub fn renew(&mut self, worker: u64) {
        if self.worker != worker {
            self.worker = worker;
            self.kept.clear();
        }
    }

    /// Enters a change. Adds the events to publish to `events`: none if nothing changes for a
    /// router, several for a long chain.
    pub fn enter(&mut self, change: Change, events: &mut Vec<Bytes>) {
        match change {
            Change::Stored(mut stored) => {
                while stored.blocks.len() > LONGEST {
                    let rest = stored.blocks.split_off(LONGEST);
                    let parent = stored.blocks.last().map(|block| block.hash);
                    let next =
                        Stored { parent, blocks: rest, session: stored.session.clone(), ..stored };
                    events.extend(self.enter_one(Change::Stored(stored)));
                    stored = next;
                }
                events.extend(self.enter_one(Change::Stored(stored)));
            }
            Change::Removed { tier, hashes } if hashes.len() > LONGEST => {
                for hashes in hashes.chunks(LONGEST) {
                    let hashes = hashes.to_vec();
                    events.extend(self.enter_one(Change::Removed { tier, hashes }));
                }
            }
            short => events.extend(self.enter_one(short)),
        }
    }

    fn enter_one(&mut self, change: Change) -> Option<Bytes> {
        let change = self.apply(change)?;
        let mut bytes = Vec::with_capacity(size(&change));
        let id = self.next;
        if let Err(error) = event::encode(self.stamp(id), &change, &mut bytes) {
            tracing::error!("a KV event cannot be encoded: {error}");
            return None;
        }
        self.next += 1;
        let bytes = Bytes::from(bytes);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let clears = matches!(change, Change::Cleared);
        self.kept.push_back(Kept { id, clears, bytes: bytes.clone() });
        Some(bytes)
    }

    fn apply(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::Cleared => {
                self.tiers.iter_mut().for_each(Tree::clear);
                Some(Change::Cleared)
            }
            Change::Stored(stored) => {
                self.tree(stored.tier).store(&stored);
                Some(Change::Stored(stored))
            }
            Change::Removed { tier, mut hashes } => {
                let tree = self.tree(tier);
                hashes.retain(|hash| tree.remove(*hash));
                (!hashes.is_empty()).then_some(Change::Removed { tier, hashes })
            }
        }
    }

    fn tree(&mut self, tier: Tier) -> &mut Tree {
        &mut self.tiers[tier as usize]
    }

    const fn stamp(&self, id: u64) -> Stamp {
        Stamp { worker: self.worker, rank: self.rank, id }
    }

    /// Answers what a router asks at the recovery endpoint (`WorkerKvQueryRequest`), as MessagePack
    /// (`WorkerKvQueryResponse`): the events it missed as far as they are kept, otherwise the whole
    /// cache.
    pub fn answer(&self, query: &Value) -> Bytes {
        let number = |name: &str| query[name].as_u64();
        // Kinds beside this one are for caches that outlive workers.
        let recovery = matches!(&query["kind"], Value::Null)
            || query["kind"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("recovery"));
        if !recovery {
            return plain(&json!({"Error": "only recovery is answered here"}));
        }
        if number("worker_id") != Some(self.worker)
            || number("dp_rank").unwrap_or(0) != u64::from(self.rank)
        {
            let mine = format!("worker {}, rank {} answers here", self.worker, self.rank);
            return plain(&json!({"Error": mine}));
        }
        let (start, end) = (number("start_event_id"), number("end_event_id"));
        let (Some(start), Some(first), Some(last)) = (start, self.kept.front(), self.kept.back())
        else {
            return self.dump();
        };
        if let Some(end) = end.filter(|end| *end < start) {
            return plain(&json!({"InvalidRange": {"start_id": start, "end_id": end}}));
        }
        if start > last.id {
            return plain(&json!({"TooNew": {
                "requested_start": start, "requested_end": end, "newest_available": last.id,
            }}));
        }
        match start < first.id {
            true => self.dump(),
            false => self.since(start),
        }
    }

    fn since(&self, start: u64) -> Bytes {
        let from = self.kept.partition_point(|event| event.id < start);
        // What came before the last clear is of no account.
        let cleared = self.kept.iter().rposition(|event| event.clears).unwrap_or(0);
        let events: Vec<&Bytes> =
            self.kept.range(from.max(cleared)..).map(|event| &event.bytes).collect();
        response("Events", &events, self.next - 1, false)
    }

    fn dump(&self) -> Bytes {
        let mut events = Vec::new();
        let chains = Tier::ALL.iter().zip(&self.tiers).flat_map(|(tier, tree)| tree.chains(*tier));
        for (id, chain) in (0..).zip(chains) {
            let change = Change::Stored(chain);
            let mut bytes = Vec::with_capacity(size(&change));
            if let Err(error) = event::encode(self.stamp(id), &change, &mut bytes) {
                let failed = json!({"TreeDumpFailed": {
                    "last_event_id": self.next - 1, "message": error.to_string(),
                }});
                return plain(&failed);
            }
            events.push(Bytes::from(bytes));
        }
        response("TreeDump", &events.iter().collect::<Vec<_>>(), self.next - 1, true)
    }
}

/// About as many bytes as the event will have.
fn size(change: &Change) -> usize {
    const FRAME: usize = 160;
    FRAME
        + match change {
            Change::Stored(Stored { blocks, .. }) => blocks.len() * 56,
            Change::Removed { hashes, .. } => hashes.len() * 9,
            Change::Cleared => 0,
        }
}

/// `{kind: {events, last_event_id}}` around events that are encoded already; `whole` adds what the
/// events stand for: all of the rank.
fn response(kind: &str, events: &[&Bytes], last: u64, whole: bool) -> Bytes {
    let mut out = Vec::with_capacity(64 + events.iter().map(|event| event.len()).sum::<usize>());
    let written = (|| {
        write::write_map_len(&mut out, 1)?;
        write::write_str(&mut out, kind)?;
        write::write_map_len(&mut out, if whole { 3 } else { 2 })?;
        write::write_str(&mut out, "last_event_id")?;
        write::write_uint(&mut out, last)?;
        if whole {
            write::write_str(&mut out, "reset_scope")?;
            write::write_str(&mut out, "all")?;
        }
        write::write_str(&mut out, "events")?;
        write_list(&mut out, events)
    })();
    match written {
        Ok(()) => out.into(),
        Err(error) => plain(&json!({"Error": error.to_string()})),
    }
}

fn write_list(
    out: &mut Vec<u8>,
    events: &[&Bytes],
) -> Result<(), write::ValueWriteError<std::io::Error>> {
    let length = u32::try_from(events.len()).unwrap_or(u32::MAX);
    write::write_array_len(out, length)?;
    events.iter().for_each(|event| out.extend_from_slice(event));
    Ok(())
}

/// A list of events that are encoded already, as it is published.
pub(crate) fn list(events: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + events.iter().map(Bytes::len).sum::<usize>());
    let events: Vec<&Bytes> = events.iter().collect();
    if let Err(error) = write_list(&mut out, &events) {
        tracing::error!("KV events cannot be encoded: {error}");
    }
    out
}

fn plain(value: &Value) -> Bytes {
    rmp_serde::to_vec_named(value).unwrap_or_default().into()
}

#[cfg(test)]
#[path = "ledger/tests.rs"]
mod tests;
