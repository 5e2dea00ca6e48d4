//! The worker type `multimodal_worker`: text from prompts with images and videos, which an encode
//! worker hands over.
//!
//! It answers other workers only, in frames. Its engine asks an encoder engine for the embeddings
//! (`--language-only`). With an engine started for `--disaggregation-mode decode` it first asks the
//! prefill worker where the two engines meet; then the other engine has asked the encoder. Behaves as
//! the multimodal worker of `dynamo.sglang` 1.6.1 does; `dynamo_worker_sdk::sglang::multimodal` says
//! what is done otherwise.

mod answer;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::multimodal::Peer;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::{
    Engine, ModelConfig, ServerInfo, Settings, disagg, health, launch, settings,
};

pub use answer::Answer;

/// A worker that generates text for an encode worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct MultimodalWorker {
    engine: Engine,
    /// The endpoint of the worker that does the prefill, if another one does.
    prefill: Option<String>,
    #[serde(skip)]
    card: Card,
}

impl Worker for MultimodalWorker {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("multimodal_worker", env!("CARGO_PKG_VERSION"), "multimodal-worker")
            .summary("Text from prompts with images and videos with SGLang, for encode workers")
            .settings_schema(settings::schema(&["engine_capabilities"]))
    }

    fn prepare(settings: Settings, mut start: Start) -> Result<Option<Setup>> {
        settings.check_takes_tokens()?;
        launch::check_mode(&start.arguments, &["null", "decode"])?;
        // A decode engine gets what the prefill engine has made of the embeddings. It lays the prompt
        // out by itself, for which it looks at the media.
        if launch::value_of(&start.arguments, "--disaggregation-mode") != Some("decode") {
            launch::require_switch(&mut start.arguments, "--language-only");
        }
        launch::setup(start).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        settings.check_takes_tokens()?;
        let server = ServerInfo::from_report(&report)?;
        disagg::check_mode(&server, &["null", "decode"])?;
        server.check_generates_text()?;
        server.check_sends_increments()?;
        let model = ModelConfig::from_report(&report)?;
        let decodes = server.disaggregation_mode.as_deref() == Some("decode");
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        let mut registration = Registration::aggregated([], Input::Tokens);
        registration.needs = vec![vec!["encode".into()]];
        let mut health_check = health::tokens_payload(health::beginning_of_text(&report));
        if decodes {
            registration.worker_type = "decode".into();
            registration.needs = vec![vec!["prefill".into()]];
            health::pretend_transfer(&mut health_check, disagg::bootstrap_port(&server));
        }
        registration.kv_cache_block_size = kv_cache_block_size(&server);
        Ok(MultimodalWorker {
            engine: Engine::new(&server, &model, settings.capabilities()),
            prefill: decodes.then(|| Peer::Prefill.endpoint(&settings)),
            card: Card::new(registration.runtime_config(&config)?, health_check),
        })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        if incoming.probe {
            return call::probe(self, incoming, prompt);
        }
        call::plan(self, incoming).or_else(Answer::told)
    }
}

dynamo_worker_sdk::export!(MultimodalWorker);

#[cfg(test)]
mod tests;
