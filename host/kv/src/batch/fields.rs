//! The members of one event, gathered until all are known: a block is hashed by its adapter and
//! salt, too, which may come after its tokens.

use super::reader::{Malformed, Reader};
use super::{Block, Change, Stored, Tier};
use crate::hash;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    Stored,
    Removed,
    Cleared,
    #[default]
    Unknown,
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "BlockStored" => Kind::Stored,
            "BlockRemoved" => Kind::Removed,
            "AllBlocksCleared" => Kind::Cleared,
            _ => Kind::Unknown,
        }
    }
}

/// What an event says. Reused for the next: the lists keep their memory.
#[derive(Debug, Default)]
pub(super) struct Fields {
    hashes: Vec<u64>,
    /// Little end first, 32 bits each.
    tokens: Vec<u8>,
    /// For the search of loops.
    sorted: Vec<u64>,
    facts: Facts,
}

#[derive(Debug, Default)]
struct Facts {
    kind: Kind,
    parent: Option<u64>,
    block_size: Option<u64>,
    /// Each block has the first token of the next, too: EAGLE's cache is of pairs of tokens.
    pairs: bool,
    /// None for one Dynamo does not know.
    tier: Option<Tier>,
    /// Of a cache routers do not count, such as that of a sliding window, or of another machine.
    elsewhere: bool,
    lora: Option<String>,
    salt: Option<String>,
    session: Option<String>,
}

type Result<T> = std::result::Result<T, Malformed>;

impl Fields {
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.hashes.clear();
        self.tokens.clear();
        self.facts = Facts { tier: Some(Tier::Device), ..Facts::default() };
        match reader.is_map()? {
            true => self.read_map(reader),
            false => self.read_list(reader),
        }
    }

    fn read_map(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        for _ in 0..reader.map()? {
            let name =
                reader.string()?.ok_or(Malformed::Shape("a member's name is not a string"))?;
            match name {
                "type" => self.read_kind(reader)?,
                "block_hashes" => self.read_hashes(reader)?,
                "parent_block_hash" => self.facts.parent = reader.bits_or_nil()?,
                "token_ids" => self.read_tokens(reader)?,
                "block_size" => self.facts.block_size = reader.bits_or_nil()?,
                "medium" => self.read_medium(reader)?,
                "lora_name" => self.facts.lora = text(reader)?,
                "cache_salt" => self.facts.salt = text(reader)?,
                "session_id" => self.facts.session = text(reader)?,
                "locality" => self.read_locality(reader)?,
                "kv_cache_spec_kind" => self.read_attention(reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    /// `[name, hashes, parent, tokens, block size, LoRA id, medium, LoRA name or {cache_salt}, ...]`,
    /// `[name, hashes, medium, ...]` or `[name]`; the end may be missing.
    fn read_list(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let length = reader.array()?;
        for at in 0..length {
            match (at, self.facts.kind) {
                (0, _) => self.read_kind(reader)?,
                (1, Kind::Stored | Kind::Removed) => self.read_hashes(reader)?,
                (2, Kind::Stored) => self.facts.parent = reader.bits_or_nil()?,
                (3, Kind::Stored) => self.read_tokens(reader)?,
                (4, Kind::Stored) => self.facts.block_size = reader.bits_or_nil()?,
                (6, Kind::Stored) | (2, Kind::Removed) => self.read_medium(reader)?,
                (7, Kind::Stored) => self.read_name_or_salt(reader)?,
                _ => reader.skip()?,
            }
        }
        Ok(())
    }

    fn read_kind(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let name = reader.string()?.ok_or(Malformed::Shape("an event's name is not a string"))?;
        self.facts.kind = Kind::named(name);
        Ok(())
    }

    fn read_hashes(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        for _ in 0..reader.array()? {
            self.hashes.push(reader.bits()?);
        }
        Ok(())
    }

    fn read_tokens(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let mut next = None;
        for _ in 0..reader.array_or_nil()? {
            let token = match reader.is_array()? {
                false => reader.token()?,
                true => {
                    if reader.array()? != 2 {
                        return Err(Malformed::Shape("a pair of tokens has two"));
                    }
                    let first = reader.token()?;
                    next = Some(reader.token()?);
                    first
                }
            };
            self.tokens.extend_from_slice(&token.to_le_bytes());
        }
        if let Some(token) = next {
            self.facts.pairs = true;
            self.tokens.extend_from_slice(&token.to_le_bytes());
        }
        Ok(())
    }

    fn read_medium(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.facts.tier = Tier::of_medium(reader.string()?.unwrap_or_default());
        Ok(())
    }

    fn read_name_or_salt(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        if reader.is_string()? {
            self.facts.lora = text(reader)?;
        } else if reader.is_map()? {
            for _ in 0..reader.map()? {
                match reader.string()? {
                    Some("cache_salt") => self.facts.salt = text(reader)?,
                    _ => reader.skip()?,
                }
            }
        } else {
            reader.skip()?;
        }
        Ok(())
    }

    fn read_locality(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.facts.elsewhere |= reader.string()?.is_some_and(|locality| locality != "LOCAL");
        Ok(())
    }

    fn read_attention(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let main = ["full_attention", "mla_attention", "sink_full_attention"];
        self.facts.elsewhere |= reader.string()?.is_some_and(|kind| !main.contains(&kind));
        Ok(())
    }

    /// The change the event is, if routers have a use for it.
    pub(super) fn change(&mut self, block_size: usize) -> Option<Change> {
        if self.facts.kind == Kind::Cleared {
            return Some(Change::Cleared);
        }
        let tier = self.facts.tier.filter(|_| !self.facts.elsewhere)?;
        match self.facts.kind {
            Kind::Removed => Some(Change::Removed { tier, hashes: self.hashes.clone() }),
            Kind::Stored => {
                let blocks = self.blocks(block_size)?;
                let session = self.facts.session.take();
                Some(Change::Stored(Stored { tier, parent: self.facts.parent, blocks, session }))
            }
            Kind::Cleared | Kind::Unknown => None,
        }
    }

    /// Those of the router's size whose tokens are all there.
    fn blocks(&mut self, block_size: usize) -> Option<Vec<Block>> {
        let said = usize::try_from(self.facts.block_size?).ok()?;
        if block_size == 0 || said != block_size || self.has_loop() {
            return None;
        }
        let seed = hash::seed(self.facts.lora.as_deref(), self.facts.salt.as_deref());
        let width = size_of::<u32>();
        let (step, length) =
            (block_size * width, (block_size + usize::from(self.facts.pairs)) * width);
        let windows = self.tokens.chunks(step).enumerate();
        let windows = windows.map_while(|(at, _)| self.tokens.get(at * step..at * step + length));
        let blocks: Vec<Block> = self
            .hashes
            .iter()
            .zip(windows)
            .map(|(&hash, tokens)| Block { hash, tokens: hash::block(tokens, seed) })
            .collect();
        (!blocks.is_empty()).then_some(blocks)
    }

    /// Whether a block is among its own ancestors, which would never be found again in a tree.
    fn has_loop(&mut self) -> bool {
        self.sorted.clear();
        self.sorted.extend(&self.hashes);
        self.sorted.extend(self.facts.parent);
        self.sorted.sort_unstable();
        self.sorted.windows(2).any(|pair| pair[0] == pair[1])
    }
}

fn text(reader: &mut Reader<'_>) -> Result<Option<String>> {
    Ok(reader.string()?.filter(|text| !text.is_empty()).map(str::to_owned))
}
