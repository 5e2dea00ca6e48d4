//! The worker type `embedding`: vectors for texts, with SGLang.
//!
//! Requests come as the client wrote them (OpenAI's embeddings) and go to SGLang's own server as
//! `POST /encode`. Behaves as the embedding worker of `dynamo.sglang` 1.6.1 does.

mod answer;
mod call;
mod metrics;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::encode::{self, Encoder};
use dynamo_worker_sdk::sglang::{Settings, health, settings};

pub use answer::Answer;

/// A worker that computes embeddings.
#[derive(Debug, Serialize, Deserialize)]
pub struct Embedding {
    engine: Encoder,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Worker for Embedding {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("embedding", env!("CARGO_PKG_VERSION"), "embedding")
            .summary("Embeddings of texts and token ids with SGLang")
            .metrics(metrics::declared())
            .settings_schema(settings::schema(&["use_sglang_tokenizer"]))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        encode::setup(start, []).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let (engine, registration) = Encoder::configure(&settings, &report, "embedding")?;
        let input = if settings.is_text() {
            json!("Test")
        } else {
            json!([health::beginning_of_text(&report)])
        };
        let health_check = json!({"model": report.served_name, "input": input});
        Ok(Embedding { engine, card: Card::new(registration, health_check) })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, _: &Prompt) -> Result<Plan<Answer>> {
        call::plan(self.engine, incoming)
    }
}

dynamo_worker_sdk::export!(Embedding);

#[cfg(test)]
mod tests;
