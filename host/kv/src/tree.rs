//! What one tier of a rank's cache holds.

use std::collections::HashMap;

use crate::batch::{Block, Stored, Tier};

/// Blocks by the engine's names, each with the one before it.
#[derive(Debug, Default)]
pub(crate) struct Tree(HashMap<u64, Node>);

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: Option<u64>,
    tokens: u64,
    /// How often it was stored: an engine may keep a block twice, and then says so twice.
    times: u32,
}

impl Tree {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn store(&mut self, stored: &Stored) {
        let mut parent = stored.parent;
        for block in &stored.blocks {
            self.0
                .entry(block.hash)
                .and_modify(|node| node.times = node.times.saturating_add(1))
                .or_insert(Node { parent, tokens: block.tokens, times: 1 });
            parent = Some(block.hash);
        }
    }

    /// Whether the block is gone now. One that was never seen is.
    pub(crate) fn remove(&mut self, hash: u64) -> bool {
        match self.0.get_mut(&hash) {
            Some(node) if node.times > 1 => {
                node.times -= 1;
                false
            }
            _ => {
                self.0.remove(&hash);
                true
            }
        }
    }

    /// All blocks, in chains, each after the one it follows.
    pub(crate) fn chains(&self, tier: Tier) -> Vec<Stored> {
        let mut told = std::collections::HashSet::with_capacity(self.0.len());
        let mut chains = Vec::new();
        for &start in self.0.keys() {
            // Up to a block that is told already, or the first of its prompt, then down again.
            let mut chain = Vec::new();
            let mut next = Some(start);
            while let Some(hash) = next {
                let Some(node) = self.0.get(&hash) else { break };
                if !told.insert(hash) {
                    break;
                }
                chain.push(Block { hash, tokens: node.tokens });
                next = node.parent;
            }
            if !chain.is_empty() {
                chain.reverse();
                chains.push(Stored { tier, parent: next, blocks: chain, session: None });
            }
        }
        chains
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(parent: Option<u64>, hashes: &[u64]) -> Stored {
        let blocks = hashes.iter().map(|&hash| Block { hash, tokens: hash + 100 }).collect();
        Stored { tier: Tier::Device, parent, blocks, session: None }
    }

    #[test]
    fn a_block_is_told_after_the_one_it_follows() {
        let mut tree = Tree::default();
        tree.store(&stored(None, &[1, 2, 3]));
        tree.store(&stored(Some(2), &[4, 5]));
        tree.store(&stored(Some(99), &[6]));
        let mut told = vec![99];
        for chain in tree.chains(Tier::Device) {
            assert!(chain.parent.is_none_or(|parent| told.contains(&parent)), "{chain:?}");
            for block in chain.blocks {
                assert_eq!(block.tokens, block.hash + 100);
                told.push(block.hash);
            }
        }
        told.sort_unstable();
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 99]);
    }

    #[test]
    fn what_was_stored_twice_goes_with_the_second_removal() {
        let mut tree = Tree::default();
        tree.store(&stored(None, &[1]));
        tree.store(&stored(None, &[1]));
        assert!(!tree.remove(1));
        assert!(tree.remove(1));
        assert!(tree.remove(1));
        assert_eq!(tree.len(), 0);
    }
}
