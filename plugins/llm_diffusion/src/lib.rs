//! The worker type `llm_diffusion`: text generation with SGLang and a diffusion language model,
//! which fills in a block of tokens at a time.
//!
//! Requests come as to the worker `decode` and go to the same `POST /generate`, but with less: such
//! an engine knows neither log probabilities nor adapters, and has no place for media or a thinking
//! budget. Behaves as the diffusion worker of `dynamo.sglang` 1.6.1 does.

mod answer;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::registration::{RuntimeConfig, kv_cache_block_size};
use dynamo_worker_sdk::sglang::text::TextMode;
use dynamo_worker_sdk::sglang::{
    Engine, EngineRoutes, ModelConfig, ServerInfo, Settings, disagg, health, launch, settings,
};

pub use answer::Answer;

/// How the model fills in its blocks. Makes a diffusion engine of SGLang's.
const ALGORITHM: &str = "--dllm-algorithm";

/// Requests at once, and what Dynamo's worker gives it if the operator says nothing.
const LIMIT: (&str, &str) = ("--max-running-requests", "8");

/// A worker that generates text by diffusion.
#[derive(Debug, Serialize, Deserialize)]
pub struct LlmDiffusion {
    engine: Engine,
    /// The engine tokenizes and detokenizes.
    text: Option<TextMode>,
    routes: EngineRoutes,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Routes for LlmDiffusion {
    fn routes(&self) -> Vec<Route> {
        self.routes.of_engine()
    }

    fn handle(&self, path: &str, body: Json) -> Result<Json> {
        self.routes.handle(path, &body, None)
    }
}

impl Worker for LlmDiffusion {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("llm_diffusion", env!("CARGO_PKG_VERSION"), "llm-diffusion")
            .summary("Text generation with diffusion language models on SGLang")
            .settings_schema(settings::schema(&[
                "endpoint_types",
                "use_sglang_tokenizer",
                "dyn_tool_call_parser",
                "dyn_reasoning_parser",
                "dyn_default_thinking_mode",
                "exclude_tools_when_tool_choice_none",
                "engine_routes",
            ]))
    }

    fn prepare(settings: Settings, mut start: Start) -> Result<Option<Setup>> {
        settings.surfaces()?;
        launch::check_mode(&start.arguments, &["null"])?;
        let given = |flag| launch::value_of(&start.arguments, flag).is_some();
        // In a configuration file of SGLang's own may be what is not here.
        let is_all = !given("--config");
        if is_all && !given(ALGORITHM) {
            return Err(Error::invalid_request(format!(
                "{ALGORITHM} is missing: this worker type serves diffusion language models, and the \
                 engine must be told the algorithm, such as {ALGORITHM} LowConfidence"
            )));
        }
        if is_all && !given(LIMIT.0) {
            start.arguments.extend([LIMIT.0.into(), LIMIT.1.into()]);
        }
        Ok(Some(TextMode::prepare(&settings, launch::setup(start)?)))
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let (model_types, input) = settings.surfaces()?;
        let server = ServerInfo::from_report(&report)?;
        check_engine(&server)?;
        let model = ModelConfig::from_report(&report)?;
        let text = TextMode::configure(&settings, &server, &report)?;
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        config.relays_kv_events(&server, &report.address);
        let mut registration = Registration::aggregated([], input).runtime_config(&config)?;
        registration.model_types = model_types;
        registration.kv_cache_block_size = kv_cache_block_size(&server);
        let health_check = match &text {
            None => health::tokens_payload(health::beginning_of_text(&report)),
            Some(_) => health::text_payload(),
        };
        Ok(LlmDiffusion {
            engine: Engine::new(&server, &model, settings.capabilities()),
            text,
            routes: EngineRoutes::new(&settings)?,
            card: Card::new(registration, health_check),
        })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        call::plan(self, incoming, prompt)
    }
}

/// Refuses engines that would answer, but not as a worker of this type must.
fn check_engine(server: &ServerInfo) -> Result<()> {
    if server.dllm_algorithm.as_deref().is_none_or(str::is_empty) {
        return Err(Error::new(
            Kind::NotImplemented,
            format!("the engine runs no diffusion language model; start it with {ALGORITHM}"),
        ));
    }
    disagg::check_mode(server, &["null"])?;
    server.check_generates()?;
    server.check_sends_increments()
}

dynamo_worker_sdk::export!(LlmDiffusion, routes);

#[cfg(test)]
mod tests;
