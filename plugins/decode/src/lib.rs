//! The worker type `decode`: text generation with SGLang, also where another engine does the
//! prefill.
//!
//! Dynamo's frontend tokenizes and detokenizes; requests come as token ids and go to SGLang's own
//! server as `POST /generate`, and its stream comes back as Dynamo's token chunks. Behaves as the
//! default worker of `dynamo.sglang` 1.6.1 does. With an engine started for
//! `--disaggregation-mode decode` it is the second half of a pair: the prefill worker's engine hands
//! over the KV cache of the prompt, and each request says where the two meet. What it shares with
//! other SGLang workers is in `dynamo_worker_sdk::sglang`.

mod answer;
mod call;
mod settings;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::{
    Capabilities, Engine, ModelConfig, ServerInfo, disagg, health, launch,
};

pub use answer::Answer;
pub use settings::Settings;

/// A worker that generates text.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decode {
    engine: Engine,
    /// Another engine does the prefill.
    disaggregated: bool,
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
    health_check: Json,
}

impl Worker for Decode {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("decode", env!("CARGO_PKG_VERSION"), "decode")
            .summary("Text generation with SGLang, alone or after a prefill worker")
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
        let disaggregated = server.disaggregation_mode.as_deref() == Some("decode");
        let mut health_check = health::tokens_payload(health::beginning_of_text(&report));
        if disaggregated {
            health::pretend_transfer(&mut health_check, disagg::bootstrap_port(&server));
        }
        let mut runtime_config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut runtime_config);
        Ok(Decode {
            engine: Engine::new(&server, &model, capabilities),
            disaggregated,
            frontend_decoding: settings.frontend_decoding.unwrap_or(false),
            metadata_upload: settings.enable_rl.unwrap_or(false),
            card: Some(Card {
                model_types: settings.model_types()?,
                kv_cache_block_size: kv_cache_block_size(&server),
                runtime_config,
                health_check,
            }),
        })
    }

    fn registration(&self) -> Result<Registration> {
        let card = self.card()?;
        let mut registration =
            Registration::aggregated([], Input::Tokens).runtime_config(&card.runtime_config)?;
        registration.model_types.clone_from(&card.model_types);
        registration.kv_cache_block_size = card.kv_cache_block_size;
        if self.disaggregated {
            registration.worker_type = "decode".into();
            registration.needs = vec![vec!["prefill".into()]];
        }
        Ok(registration)
    }

    fn health_check(&self) -> Result<Json> {
        Ok(self.card()?.health_check.clone())
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
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
    disagg::check_mode(server, &["null", "decode"])?;
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
