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

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::text::TextMode;
use dynamo_worker_sdk::sglang::{
    Engine, EngineRoutes, ModelConfig, ServerInfo, Settings, disagg, health, launch, settings,
};

pub use answer::Answer;

/// A worker that generates text.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decode {
    engine: Engine,
    /// Another engine does the prefill.
    disaggregated: bool,
    /// The engine tokenizes and detokenizes.
    text: Option<TextMode>,
    /// The frontend fetches and decodes media.
    frontend_decoding: bool,
    /// Clients may have metadata uploaded (`--enable-rl`).
    metadata_upload: bool,
    routes: EngineRoutes,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Routes for Decode {
    fn routes(&self) -> Vec<Route> {
        self.routes.list()
    }

    fn handle(&self, path: &str, body: Json) -> Result<Json> {
        self.routes.handle(path, &body, self.engine.max_loras)
    }
}

impl Worker for Decode {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("decode", env!("CARGO_PKG_VERSION"), "decode")
            .summary("Text generation with SGLang, alone or after a prefill worker")
            .settings_schema(settings::schema(&[
                "endpoint_types",
                "use_sglang_tokenizer",
                "frontend_decoding",
                "enable_rl",
                "kv_state_endpoint",
                "dyn_tool_call_parser",
                "dyn_reasoning_parser",
                "dyn_default_thinking_mode",
                "exclude_tools_when_tool_choice_none",
                "engine_routes",
                "engine_capabilities",
            ]))
    }

    fn prepare(settings: Settings, start: Start) -> Result<Option<Setup>> {
        settings.model_types()?;
        launch::check_mode(&start.arguments, &["null", "decode"])?;
        Ok(Some(TextMode::prepare(&settings, launch::setup(start)?)))
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let server = ServerInfo::from_report(&report)?;
        check_engine(&server)?;
        let model = ModelConfig::from_report(&report)?;
        let disaggregated = server.disaggregation_mode.as_deref() == Some("decode");
        let text = TextMode::configure(&settings, &server, &report)?;
        let mut health_check = match &text {
            None => health::tokens_payload(health::beginning_of_text(&report)),
            Some(_) => health::text_payload(),
        };
        if disaggregated {
            health::pretend_transfer(&mut health_check, disagg::bootstrap_port(&server));
        }
        let engine = Engine::new(&server, &model, settings.capabilities());
        let mut config = RuntimeConfig::new(&server, &model);
        config.takes_adapters(&server);
        config.relays_kv_events(&server, &report.address);
        if settings.enable_multimodal != Some(true) {
            config.gates_structural_tags(&engine);
        }
        let registration = registration(&settings, &server, config, disaggregated)?;
        Ok(Decode {
            engine,
            disaggregated,
            text,
            frontend_decoding: settings.frontend_decoding.unwrap_or(false),
            metadata_upload: settings.enable_rl.unwrap_or(false),
            routes: EngineRoutes::new(&settings)?,
            card: Card::new(registration, health_check),
        })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        let request: GenerateRequest = incoming.parse()?;
        call::plan(self, incoming, request, prompt)
    }
}

fn registration(
    settings: &Settings,
    server: &ServerInfo,
    mut config: RuntimeConfig,
    disaggregated: bool,
) -> Result<Registration> {
    let (model_types, input) = settings.surfaces()?;
    settings.describe_on(&mut config)?;
    if !model_types.is_empty() && input == Input::Tokens {
        config.takes_native_requests();
    }
    let mut registration = Registration::aggregated([], input);
    if disaggregated {
        registration.worker_type = "decode".into();
        registration.needs = vec![vec!["prefill".into()]];
        if settings.enable_multimodal != Some(true) {
            config.cancels_during_transfer();
        }
    }
    registration.model_types = model_types;
    registration.kv_cache_block_size = kv_cache_block_size(server);
    registration.runtime_config(&config)
}

/// Refuses engines that would answer, but not as a worker of this type must.
fn check_engine(server: &ServerInfo) -> Result<()> {
    disagg::check_mode(server, &["null", "decode"])?;
    server.check_generates_text()?;
    server.check_sends_increments()
}

dynamo_worker_sdk::export!(Decode, routes);

#[cfg(test)]
mod tests;
