//! How an engine is laid out in data-parallel ranks, and how much each can hold.
//!
//! Mirrors Dynamo 1.6.1's `capacity.py`: a rank is a scheduler with a KV cache of its own.

use super::ServerInfo;

/// The layout of an engine, and this node's part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// Ranks of the whole engine, on all its nodes.
    pub count: u32,
    /// The ranks are parts of one group, and each schedules a part of the requests.
    pub split_attention: bool,
    nodes: u32,
    node: u32,
}

impl Ranks {
    /// What the engine says.
    pub fn of(server: &ServerInfo) -> Self {
        let all = server.dp_size.unwrap_or(1).max(1);
        let of_attention = server.attn_dp_size.unwrap_or(1).max(1);
        let (count, split_attention) = match of_attention {
            1 => {
                let joins = server.ep_join_mode.as_deref() == Some("scale");
                (all, server.enable_dp_attention == Some(true) || joins)
            }
            _ => (all.saturating_mul(of_attention), true),
        };
        let nodes = server.nnodes.unwrap_or(1).max(1);
        Ranks { count, split_attention, nodes, node: server.node_rank.unwrap_or(0) }
    }

    /// The ranks on this node.
    pub fn local(&self) -> std::ops::Range<u32> {
        if !self.split_attention {
            return 0..self.count;
        }
        if self.count == 1 {
            return 0..1;
        }
        let each = self.count / self.nodes;
        let first = self.node.saturating_mul(each);
        first..first.saturating_add(each)
    }

    /// Whether this node publishes KV events: a rank must have one source only, and without ranks of
    /// their own the other nodes have the first one's.
    pub fn publishes_kv_events(&self) -> bool {
        (self.split_attention && self.count > 1) || self.nodes == 1 || self.node == 0
    }

    /// Requests each rank runs at once, of `all`.
    pub fn requests(&self, all: u64) -> u64 {
        if self.split_attention { all / u64::from(self.count) } else { all }
    }
}

/// Tokens per block as Dynamo's router counts them: with decode context parallelism, pages are
/// wider than what a rank holds of them.
pub fn kv_cache_block_size(server: &ServerInfo) -> u32 {
    page_size(server).saturating_mul(server.dcp_size.unwrap_or(1).max(1))
}

/// Tokens per page of a rank.
pub fn page_size(server: &ServerInfo) -> u32 {
    server.page_size.unwrap_or(1).max(1)
}

/// Tokens a rank's KV cache holds, if the engine says.
pub fn total_tokens(server: &ServerInfo) -> Option<u64> {
    server.max_total_num_tokens.filter(|tokens| *tokens > 0)
}

/// Blocks of that many tokens.
pub fn total_kv_blocks(server: &ServerInfo) -> Option<u64> {
    Some(total_tokens(server)?.div_ceil(page_size(server).into()))
}

/// Tokens of prompts in one batch.
pub fn max_num_batched_tokens(server: &ServerInfo) -> Option<u64> {
    server.max_prefill_tokens.filter(|tokens| *tokens > 0).or_else(|| total_tokens(server))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn no_tokens_are_no_capacity() {
        let of = |prefill: Option<u64>, total: Option<u64>| {
            let info = json!({"max_prefill_tokens": prefill, "max_total_num_tokens": total});
            max_num_batched_tokens(&serde_json::from_value(info).unwrap())
        };
        assert_eq!(of(Some(0), Some(0)), None);
        assert_eq!(of(None, Some(100)), Some(100));
        assert_eq!(of(Some(8), Some(100)), Some(8));
    }
}
