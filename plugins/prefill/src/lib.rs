//! The worker type `prefill`: the first half of a pair of SGLang engines.
//!
//! A request is answered at once with the place where a decode engine can meet this one; then the
//! engine computes the KV cache of the prompt and hands it over there. What it streams meanwhile is
//! of no interest, but for how much of the prompt it had in its cache. Behaves as the prefill worker
//! of `dynamo.sglang` 1.6.1 does.

mod answer;
mod asked;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::disagg::Address;
use dynamo_worker_sdk::sglang::prefill::PrefillEngine;
use dynamo_worker_sdk::sglang::{Engine, EngineRoutes, Settings, health, launch, settings};

pub use answer::Answer;

/// A worker that computes prompts for decode workers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prefill {
    engine: Engine,
    /// Where decode engines find ours.
    address: Address,
    routes: EngineRoutes,
    #[serde(skip)]
    ranks: u32,
    #[serde(skip)]
    card: Card,
}

impl Routes for Prefill {
    fn routes(&self) -> Vec<Route> {
        self.routes.list()
    }

    fn handle(&self, path: &str, body: Json) -> Result<Json> {
        self.routes.handle(path, &body, self.engine.max_loras)
    }
}

impl Worker for Prefill {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("prefill", env!("CARGO_PKG_VERSION"), "prefill")
            .summary("The prompt's part of text generation with SGLang, for decode workers")
            .settings_schema(settings::schema(&[
                "dyn_tool_call_parser",
                "dyn_reasoning_parser",
                "dyn_default_thinking_mode",
                "exclude_tools_when_tool_choice_none",
                "kv_state_endpoint",
                "engine_routes",
                "engine_capabilities",
            ]))
    }

    fn prepare(settings: Settings, mut start: Start) -> Result<Option<Setup>> {
        settings.check_takes_tokens()?;
        launch::require_flag(&mut start.arguments, "--disaggregation-mode", "prefill")?;
        launch::setup(start).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let mut found = PrefillEngine::read(&settings, &report)?;
        let engine = Engine::new(&found.server, &found.model, settings.capabilities());
        found.config.takes_native_requests();
        found.config.takes_adapters(&found.server);
        found.config.relays_kv_events(&found.server, &report.address);
        if settings.enable_multimodal != Some(true) {
            found.config.gates_structural_tags(&engine);
            found.config.cancels_during_transfer();
        }
        let registration = Registration::aggregated(["prefill"], Input::Tokens);
        let card = found.card(registration, &report)?;
        let PrefillEngine { address, config, .. } = found;
        let routes = EngineRoutes::new(&settings)?;
        Ok(Prefill { engine, ranks: config.data_parallel_size, address, routes, card })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    /// One request for each data-parallel rank, as Dynamo's prefill worker sends them: kernels are
    /// compiled at the first, and decode workers do not wait for that.
    fn warm_up(&self) -> Result<Vec<Json>> {
        Ok((0..self.ranks).map(|rank| self.warm_up_of(rank)).collect())
    }

    fn plan(&self, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
        call::plan(self, incoming, prompt)
    }
}

impl Prefill {
    fn warm_up_of(&self, rank: u32) -> Json {
        let mut request = json!({
            "token_ids": [10, 11, 12, 13],
            "sampling_options": {"temperature": 0.0},
            "routing": {"dp_rank": rank},
        });
        health::pretend_transfer(&mut request, self.address.port);
        request["bootstrap_info"]["bootstrap_room"] = rank.into();
        request
    }
}

dynamo_worker_sdk::export!(Prefill, routes);

#[cfg(test)]
mod tests;
