//! What becomes of the engine's stream.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::choices::DONE;
use dynamo_worker_sdk::sglang::errors::check_error_event;
use dynamo_worker_sdk::sglang::event::cache_hit;

/// Drains the engine's stream, and says at the end how much of the prompt was cached.
#[derive(Debug)]
pub struct Answer {
    /// Hands the stream through: whoever checks the worker's health wants to see the engine at work.
    raw: bool,
    engine_is_done: bool,
}

#[derive(Debug, Serialize)]
struct Hit {
    token_ids: [u32; 0],
    engine_data: Json,
}

impl Answer {
    /// Of a request, or `raw`.
    pub(crate) fn new(raw: bool) -> Self {
        Answer { raw, engine_is_done: false }
    }
}

impl Converter for Answer {
    fn engine_is_done(&self) -> bool {
        self.engine_is_done
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == DONE {
            self.engine_is_done = true;
            return Ok(Flow::Continue);
        }
        let response: Json = parse_event(event)?;
        if let Err(failure) = check_error_event(&response) {
            self.engine_is_done = true;
            return Err(failure);
        }
        let meta = &response["meta_info"];
        // However it finished: the decode engine knows whether it got what it needs.
        self.engine_is_done |= !meta["finish_reason"].is_null();
        if self.raw {
            chunks.send(&response)?;
        } else if let Some(prompt_tokens) = meta["prompt_tokens"].as_u64()
            && self.engine_is_done
        {
            let hit = cache_hit(prompt_tokens, meta["cached_tokens"].as_u64());
            chunks.send(&Hit { token_ids: [], engine_data: json!({"kv_cache_hit": hit}) })?;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.engine_is_done {
            return Ok(());
        }
        Err(Error::new(
            Kind::Unavailable,
            "the engine closed its answer before the prompt was done",
        ))
    }
}
