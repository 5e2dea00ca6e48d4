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
use dynamo_worker_sdk::sglang::disagg::{self, Address};
use dynamo_worker_sdk::sglang::registration::{Card, Endpoint, RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::{
    Engine, ModelConfig, ServerInfo, Settings, health, launch, settings,
};

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
        settings.check_takes_tokens()?;
        let server = ServerInfo::from_report(&report)?;
        disagg::check_mode(&server, &["prefill"])?;
        server.check_generates_text()?;
        let model = ModelConfig::from_report(&report)?;
        let address = Address::from_report(&server, &report.address)?;
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        config.disaggregated_endpoint =
            Some(Endpoint { bootstrap_host: address.host.clone(), bootstrap_port: address.port });
        let mut registration = Registration::aggregated([], Input::Tokens);
        registration.worker_type = "prefill".into();
        registration.needs = vec![vec!["decode".into()]];
        registration.component = "prefill".into();
        registration.kv_cache_block_size = kv_cache_block_size(&server);
        let mut health_check = health::tokens_payload(health::beginning_of_text(&report));
        health::pretend_transfer(&mut health_check, address.port);
        Ok(MultimodalPrefill {
            engine: Engine::new(&server, &model, settings.capabilities()),
            address,
            card: Card::new(registration.runtime_config(&config)?, health_check),
        })
    }

    fn registration(&self) -> Result<Registration> {
        self.card.registration()
    }

    fn health_check(&self) -> Result<Json> {
        self.card.health_check()
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
