//! What becomes of the engine's stream.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::drain::Drain;
use dynamo_worker_sdk::sglang::event::cache_hit;

/// Drains the engine's stream, and says at the end how much of the prompt was cached.
#[derive(Debug)]
pub struct Answer {
    /// Hands the stream through: whoever checks the worker's health wants to see the engine at work.
    raw: bool,
    stream: Drain,
}

#[derive(Debug, Serialize)]
struct Hit {
    token_ids: [u32; 0],
    engine_data: Json,
}

impl Answer {
    /// Of a request, or `raw`.
    pub(crate) fn new(raw: bool) -> Self {
        Answer { raw, stream: Drain::default() }
    }
}

impl Converter for Answer {
    fn engine_is_done(&self) -> bool {
        self.stream.is_done()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let Some(response) = self.stream.read(event)? else { return Ok(Flow::Continue) };
        let meta = &response["meta_info"];
        if self.raw {
            chunks.send(&response)?;
        } else if let Some(prompt_tokens) = meta["prompt_tokens"].as_u64()
            && self.stream.is_done()
        {
            let hit = cache_hit(prompt_tokens, meta["cached_tokens"].as_u64());
            chunks.send(&Hit { token_ids: [], engine_data: json!({"kv_cache_hit": hit}) })?;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        self.stream.check_end()
    }
}
