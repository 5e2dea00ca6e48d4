//! The worker type `decode`: text generation with SGLang, prefill and decode in one engine.
//!
//! Dynamo's frontend tokenizes and detokenizes; requests come as token ids and go to SGLang's own
//! server as `POST /generate`, and its stream comes back as Dynamo's token chunks. Behaves as the
//! default worker of `dynamo.sglang` 1.6.1 does in aggregated mode. What it shares with other SGLang
//! workers is in `dynamo_worker_sdk::sglang`.

mod call;
mod settings;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::{
    Capabilities, Engine, ModelConfig, ServerInfo, TokenConverter, health, launch,
};

pub use settings::Settings;

/// An aggregated SGLang worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decode {
    engine: Engine,
    /// The frontend fetches and decodes media.
    frontend_decoding: bool,
    /// Clients may have metadata uploaded (`--enable-rl`).
    metadata_upload: bool,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Option<Card>,
}

/// How the worker stands in discovery.
#[derive(Debug)]
struct Card {
    model_types: Vec<String>,
    kv_cache_block_size: u32,
    runtime_config: RuntimeConfig,
    beginning_of_text: u64,
}

impl Worker for Decode {
    type Settings = Settings;
    type Converter = TokenConverter;

    fn describe() -> Manifest {
        Manifest::new("decode", env!("CARGO_PKG_VERSION"), "decode")
            .summary("Text generation with SGLang, prefill and decode in one engine")
            .settings_schema(settings::schema())
    }

    fn prepare(settings: Settings, start: Start) -> Result<Setup> {
        settings.check()?;
        launch::setup(start)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        settings.check()?;
        let server = ServerInfo::from_report(&report)?;
        check_engine(&server)?;
        let model = ModelConfig::from_report(&report)?;
        let capabilities = settings
            .engine_capabilities
            .as_deref()
            .map_or_else(Capabilities::default, Capabilities::from_names);
        let mut runtime_config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut runtime_config);
        Ok(Decode {
            engine: Engine::new(&server, &model, capabilities),
            frontend_decoding: settings.frontend_decoding.unwrap_or(false),
            metadata_upload: settings.enable_rl.unwrap_or(false),
            card: Some(Card {
                model_types: settings.model_types()?,
                kv_cache_block_size: kv_cache_block_size(&server),
                runtime_config,
                beginning_of_text: health::beginning_of_text(&report),
            }),
        })
    }

    fn registration(&self) -> Result<Registration> {
        let card = self.card()?;
        let mut registration =
            Registration::aggregated([], Input::Tokens).runtime_config(&card.runtime_config)?;
        registration.model_types.clone_from(&card.model_types);
        registration.kv_cache_block_size = card.kv_cache_block_size;
        Ok(registration)
    }

    fn health_check(&self) -> Result<Json> {
        Ok(health::tokens_payload(self.card()?.beginning_of_text))
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<TokenConverter>> {
        let request: GenerateRequest = incoming.parse()?;
        call::plan(self, incoming, request, prompt)
    }
}

impl Decode {
    fn card(&self) -> Result<&Card> {
        self.card.as_ref().ok_or_else(|| Error::internal("the worker was not configured here"))
    }
}

/// Refuses engines that would answer, but not as a worker of this type must.
fn check_engine(server: &ServerInfo) -> Result<()> {
    let refuse = |why: String| Err(Error::new(Kind::NotImplemented, why));
    if let Some(mode) = server.disaggregation_mode.as_deref().filter(|mode| *mode != "null") {
        return refuse(format!(
            "the engine runs with --disaggregation-mode {mode}; this worker type serves engines \
             that do prefill and decode together"
        ));
    }
    if let Some(algorithm) = server.dllm_algorithm.as_deref().filter(|name| !name.is_empty()) {
        return refuse(format!(
            "the engine runs a diffusion language model (--dllm-algorithm {algorithm}), which this \
             worker type does not serve"
        ));
    }
    if server.is_embedding == Some(true) {
        return refuse(
            "the engine computes embeddings (--is-embedding); this worker type generates text"
                .into(),
        );
    }
    if server.incremental_streaming_output == Some(false) {
        return refuse(
            "the engine repeats the whole answer in every chunk; start it with \
             --incremental-streaming-output"
                .into(),
        );
    }
    Ok(())
}

dynamo_worker_sdk::export!(Decode);

#[cfg(test)]
mod tests;
