//! How full a rank is.

use serde::Serialize;
use serde_json::Value;

use crate::batch::Reader;

/// The load of one data-parallel rank, in tokens of its KV cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The rank.
    pub rank: u32,
    /// In use.
    pub used: u64,
    /// How many there are; 0 if the engine does not say.
    pub total: u64,
}

/// `ActiveLoad` of Dynamo. What a worker leaves out its router counts by itself.
#[derive(Serialize)]
struct ActiveLoad {
    worker_id: u64,
    dp_rank: u32,
    active_decode_blocks: Option<u64>,
    active_prefill_tokens: Option<u64>,
    kv_used_blocks: u64,
}

impl Load {
    /// What the scheduler of `rank` published; nothing if it is something else.
    pub fn published(rank: u32, payload: &[u8]) -> Option<Self> {
        // `["LoadStat", running, waiting, tokens, most tokens, ...]`; later versions have more.
        let mut reader = Reader::new(payload);
        let known = reader.array().ok()? >= 5 && reader.string().ok()? == Some("LoadStat");
        reader.skip().ok()?;
        reader.skip().ok()?;
        let (used, total) = (reader.bits().ok()?, reader.bits().ok()?);
        known.then_some(Load { rank, used, total })
    }

    /// What `/v1/loads` of SGLang's server says of all its ranks.
    pub fn reported(answer: &Value) -> Vec<Self> {
        let loads = answer["loads"].as_array().into_iter().flatten();
        loads
            .filter_map(|load| {
                let number = |name: &str| load[name].as_u64();
                Some(Load {
                    rank: number("dp_rank").and_then(|rank| rank.try_into().ok()).unwrap_or(0),
                    used: number("num_used_tokens")?,
                    total: number("max_total_num_tokens").unwrap_or(0),
                })
            })
            .collect()
    }

    /// Blocks in use: one that is begun is.
    pub fn used_blocks(&self, page_size: u32) -> u64 {
        self.used.div_ceil(page_size.max(1).into())
    }

    /// Blocks there are.
    pub fn total_blocks(&self, page_size: u32) -> u64 {
        self.total.div_ceil(page_size.max(1).into())
    }

    /// The part in use, 0 to 1.
    pub fn usage(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.used as f64 / total as f64,
        }
    }

    /// The event for routers, in MessagePack. Blocks have `page_size` tokens.
    pub fn encode(&self, worker: u64, page_size: u32) -> Vec<u8> {
        let load = ActiveLoad {
            worker_id: worker,
            dp_rank: self.rank,
            active_decode_blocks: None,
            active_prefill_tokens: None,
            kv_used_blocks: self.used_blocks(page_size),
        };
        rmp_serde::to_vec_named(&load).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_scheduler_publishes() {
        // More members may follow.
        let stat = json!(["LoadStat", 3, 1, 33, 4096, 0, 5, 40, 64, 7, 8]);
        let load = Load::published(2, &rmp_serde::to_vec(&stat).unwrap()).unwrap();
        assert_eq!(load, Load { rank: 2, used: 33, total: 4096 });
        assert_eq!((load.used_blocks(16), load.total_blocks(16)), (3, 256));
        let event: Value = rmp_serde::from_slice(&load.encode(7, 16)).unwrap();
        assert_eq!(
            event,
            json!({
                "worker_id": 7, "dp_rank": 2, "active_decode_blocks": null,
                "active_prefill_tokens": null, "kv_used_blocks": 3,
            })
        );
        let other = rmp_serde::to_vec(&json!(["KvMetrics", 3, 1, 33, 4096])).unwrap();
        assert_eq!(Load::published(2, &other), None);
    }

    #[test]
    fn what_the_server_reports() {
        let answer = json!({"loads": [
            {"dp_rank": 1, "num_used_tokens": 5, "max_total_num_tokens": 0}, {"dp_rank": 2},
        ]});
        let loads = Load::reported(&answer);
        assert_eq!(loads, [Load { rank: 1, used: 5, total: 0 }]);
        assert_eq!(loads[0].usage(), 0.0);
    }
}
