//! A change as Dynamo's routers read it: `RouterEvent` of `dynamo-kv-router` 1.6.1, in MessagePack
//! with names.

use serde::Serialize;

use crate::batch::{Change, Tier};

impl Tier {
    const fn name(self) -> &'static str {
        match self {
            Tier::Device => "device",
            Tier::HostPinned => "host_pinned",
            Tier::Disk => "disk",
            Tier::External => "external",
        }
    }
}

#[derive(Serialize)]
struct RouterEvent<'a> {
    worker_id: u64,
    storage_tier: &'static str,
    /// Whose the block is: the worker's, gone when it is. (Dynamo has caches that outlive workers.)
    residency_domain: &'static str,
    event: KvCacheEvent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

#[derive(Serialize)]
struct KvCacheEvent<'a> {
    event_id: u64,
    data: Data<'a>,
    dp_rank: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Data<'a> {
    Stored { parent_hash: Option<u64>, start_position: Option<u32>, blocks: Blocks<'a> },
    Removed { block_hashes: &'a [u64] },
    Cleared,
}

/// The blocks of a chain, written without a list of their own.
struct Blocks<'a>(&'a [crate::batch::Block]);

impl Serialize for Blocks<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct StoredBlock {
            block_hash: u64,
            tokens_hash: u64,
            mm_extra_info: Option<()>,
        }
        serializer.collect_seq(self.0.iter().map(|block| StoredBlock {
            block_hash: block.hash,
            tokens_hash: block.tokens,
            mm_extra_info: None,
        }))
    }
}

/// Whose event it is, and which.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The worker's id in discovery.
    pub worker: u64,
    /// The data-parallel rank.
    pub rank: u32,
    /// Its number, one more than that of the rank's event before.
    pub id: u64,
}

/// Writes `change` to the end of `out`.
///
/// # Errors
/// None that can be expected of memory.
pub fn encode(
    stamp: Stamp,
    change: &Change,
    out: &mut Vec<u8>,
) -> Result<(), rmp_serde::encode::Error> {
    let (tier, session_id, data) = match change {
        Change::Stored(stored) => (
            stored.tier,
            stored.session.as_deref(),
            Data::Stored {
                parent_hash: stored.parent,
                start_position: None,
                blocks: Blocks(&stored.blocks),
            },
        ),
        Change::Removed { tier, hashes } => (*tier, None, Data::Removed { block_hashes: hashes }),
        Change::Cleared => (Tier::Device, None, Data::Cleared),
    };
    let event = RouterEvent {
        worker_id: stamp.worker,
        storage_tier: tier.name(),
        residency_domain: "worker",
        event: KvCacheEvent { event_id: stamp.id, data, dp_rank: stamp.rank },
        session_id,
    };
    rmp_serde::encode::write_named(out, &event)
}
