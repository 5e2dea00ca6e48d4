//! The worker type `multimodal_encode`: where requests with images and videos come in, beside an
//! encoder engine.
//!
//! Requests come from the frontend as tokens, with a token where each image or video belongs. They
//! go on to the multimodal worker, whose engine asks this worker's for the embeddings; what that
//! worker answers goes back. Behaves as the encode worker of `dynamo.sglang` 1.6.1 does;
//! `dynamo_worker_sdk::sglang::multimodal` says what is done otherwise.

mod answer;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::multimodal::Peer;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::{Engine, ModelConfig, ServerInfo, Settings, launch, settings};

pub use answer::Answer;

/// Encodes an image for real, each time it is asked, and so says whether the encoder works.
const HEALTH: &str = "/health";

/// A worker that takes requests with images and videos.
#[derive(Debug, Serialize, Deserialize)]
pub struct MultimodalEncode {
    engine: Engine,
    /// The endpoint of the worker that generates.
    worker: String,
    /// The frontend fetches and decodes media.
    frontend_decoding: bool,
    #[serde(skip)]
    card: Card,
}

impl Worker for MultimodalEncode {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("multimodal_encode", env!("CARGO_PKG_VERSION"), "multimodal-encode")
            .summary("Takes prompts with images and videos, and encodes these with SGLang")
            .settings_schema(settings::schema(&[
                "endpoint_types",
                "frontend_decoding",
                "dyn_tool_call_parser",
                "dyn_reasoning_parser",
                "dyn_default_thinking_mode",
                "exclude_tools_when_tool_choice_none",
            ]))
    }

    fn prepare(settings: Settings, mut start: Start) -> Result<Option<Setup>> {
        settings.check_takes_tokens()?;
        settings.model_types()?;
        launch::check_mode(&start.arguments, &["null"])?;
        launch::require_switch(&mut start.arguments, "--encoder-only");
        let mut setup = launch::setup(start)?;
        // The encoder's server has none of the other reports.
        setup.contact = Contact::ready_at(HEALTH).model_file("config.json");
        Ok(Some(setup))
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        settings.check_takes_tokens()?;
        let server = ServerInfo::from_report(&report)?;
        let model = ModelConfig::from_report(&report)?;
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        // It generates nothing itself: whether a prompt fits is not its to say.
        config.total_kv_blocks = None;
        config.max_num_seqs = None;
        config.runtime_data.shift_remove("token_budget");
        let mut registration = Registration::aggregated([], Input::Tokens);
        registration.model_types = settings.model_types()?;
        registration.worker_type = "encode".into();
        registration.needs =
            vec![vec!["prefill".into(), "decode".into()], vec!["aggregated".into()]];
        registration.component = "encode".into();
        registration.kv_cache_block_size = kv_cache_block_size(&server);
        Ok(MultimodalEncode {
            engine: Engine::new(&server, &model, settings.capabilities()),
            worker: Peer::Worker.endpoint(&settings),
            frontend_decoding: settings.frontend_decoding.unwrap_or(false),
            card: Card::new(registration.runtime_config(&config)?, json!({})),
        })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        if incoming.probe {
            return Ok(Plan::new(Call::get(HEALTH), Answer::Health));
        }
        call::plan(self, incoming, prompt)
    }
}

dynamo_worker_sdk::export!(MultimodalEncode);

#[cfg(test)]
mod tests;
