//! The worker type `multimodal_prefill`: the first half of a pair of SGLang engines that answer
//! prompts with images and videos.
//!
//! The multimodal worker asks it. It is told at once where a decode engine can meet this one; then
//! this engine gets the embeddings from an encoder engine (`--language-only`), computes the KV cache of
//! the prompt and hands it over there. Behaves as the multimodal prefill worker of `dynamo.sglang`
//! 1.6.1 does; `dynamo_worker_sdk::sglang::multimodal` says what is done otherwise.

mod answer;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::disagg::Address;
use dynamo_worker_sdk::sglang::prefill::PrefillEngine;
use dynamo_worker_sdk::sglang::{Engine, Settings, launch, settings};

pub use answer::Answer;

/// A worker that computes prompts for multimodal workers.
#[derive(Debug, Serialize, Deserialize)]
pub struct MultimodalPrefill {
    engine: Engine,
    /// Where decode engines find ours.
    address: Address,
    #[serde(skip)]
    card: Card,
}

impl Worker for MultimodalPrefill {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("multimodal_prefill", env!("CARGO_PKG_VERSION"), "multimodal-prefill")
            .summary("The prompt's part of multimodal text generation with SGLang")
            .settings_schema(settings::schema(&["engine_capabilities"]))
    }

    fn prepare(settings: Settings, mut start: Start) -> Result<Option<Setup>> {
        settings.check_takes_tokens()?;
        launch::require_flag(&mut start.arguments, "--disaggregation-mode", "prefill")?;
        launch::require_switch(&mut start.arguments, "--language-only");
        launch::setup(start).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let found = PrefillEngine::read(&settings, &report)?;
        let card = found.card(Registration::aggregated([], Input::Tokens), &report)?;
        let engine = Engine::new(&found.server, &found.model, settings.capabilities());
        Ok(MultimodalPrefill { engine, address: found.address, card })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        if incoming.probe {
            call::probe(self, incoming, prompt)
        } else {
            call::plan(self, incoming)
        }
    }
}

dynamo_worker_sdk::export!(MultimodalPrefill);

#[cfg(test)]
mod tests;
