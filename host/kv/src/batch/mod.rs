//! The bytes of one batch of an engine's events.
//!
//! `[time, [event, ...], rank or nil]` in MessagePack. An event is a map with its name as `type`, or,
//! from older engines, a list that begins with its name. Block hashes are 64 bits, signed or not.
//! Unknown members are skipped. Decoded by hand, in one pass: the tokens of an event, which are most
//! of it, are written once, as the bytes that are hashed.

mod fields;
mod reader;

use fields::Fields;
pub use reader::Malformed;
pub(crate) use reader::Reader;

/// Where a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The accelerator's memory.
    Device,
    /// The machine's memory.
    HostPinned,
    /// A disk.
    Disk,
    /// Somewhere else, shared with others.
    External,
}

impl Tier {
    pub(crate) const ALL: [Tier; 4] = [Tier::Device, Tier::HostPinned, Tier::Disk, Tier::External];

    /// The tier of an engine's `medium`: nothing for one Dynamo does not know.
    fn of_medium(medium: &str) -> Option<Self> {
        match medium {
            "" | "GPU" | "DEVICE" => Some(Tier::Device),
            "CPU" | "CPU_PINNED" | "CPU_TIER1" => Some(Tier::HostPinned),
            "CPU_TIER2" | "DISK" | "NVME" | "STORAGE" => Some(Tier::Disk),
            "EXTERNAL" | "NETWORK" | "REMOTE" | "SHARED" => Some(Tier::External),
            _ => None,
        }
    }
}

/// A block of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The engine's name for it, which depends on all blocks before it.
    pub hash: u64,
    /// The routers' name for its tokens ([`crate::hash`]).
    pub tokens: u64,
}

/// Blocks that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where they are.
    pub tier: Tier,
    /// The block before the first; none if that begins a prompt.
    pub parent: Option<u64>,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// The session that stored them, if the engine says so.
    pub session: Option<String>,
}

/// One change of a rank's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Blocks came.
    Stored(Stored),
    /// Blocks went.
    Removed {
        /// Where they were.
        tier: Tier,
        /// Their names.
        hashes: Vec<u64>,
    },
    /// All went.
    Cleared,
}

/// One batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// When the engine made it, in seconds since 1970 by its clock.
    pub at: f64,
    /// What it says, in order.
    pub changes: Vec<Change>,
    /// Events that routers have no use for: a medium Dynamo does not know, a cache of another kind
    /// of attention, blocks of another size, a chain with a loop.
    pub skipped: u64,
}

/// Decodes batches of one rank. Keeps its buffers from one to the next.
#[derive(Debug)]
pub struct Decoder {
    block_size: usize,
    fields: Fields,
}

impl Decoder {
    /// For an engine whose blocks have `block_size` tokens: those of another size are skipped.
    pub fn new(block_size: u32) -> Self {
        Decoder { block_size: block_size as usize, fields: Fields::default() }
    }

    /// # Errors
    /// The bytes are no batch. Nothing of it is to be used.
    pub fn decode(&mut self, payload: &[u8]) -> Result<Batch, Malformed> {
        let mut reader = Reader::new(payload);
        if reader.array()? < 2 {
            return Err(Malformed::Shape("a batch has a time and a list of events"));
        }
        let at = reader.float()?;
        let events = reader.array()?;
        let mut batch =
            Batch { at, changes: Vec::with_capacity(events.min(64) as usize), skipped: 0 };
        for _ in 0..events {
            self.fields.read(&mut reader)?;
            match self.fields.change(self.block_size) {
                Some(change) => batch.changes.push(change),
                None => batch.skipped += 1,
            }
        }
        // What follows is the rank, as far as attention knows it: the socket's own is the one
        // that counts.
        Ok(batch)
    }
}
