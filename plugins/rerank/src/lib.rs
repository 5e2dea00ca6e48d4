//! The worker type `rerank`: how well documents answer a query, with SGLang.
//!
//! For cross encoders: models that read query and document together and give one score. Requests
//! come as the client wrote them and go to SGLang's own server as one batch of pairs,
//! `POST /encode`. Behaves as the rerank worker of `dynamo.sglang` 1.6.1 does.

mod answer;
mod call;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::Settings;
use dynamo_worker_sdk::sglang::encode::{self, Encoder};
use dynamo_worker_sdk::sglang::errors::refused;

pub use answer::Answer;

/// A worker that scores documents.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rerank {
    engine: Encoder,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Worker for Rerank {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("rerank", env!("CARGO_PKG_VERSION"), "rerank")
            .summary("Reranking with cross encoders on SGLang")
    }

    /// A cross encoder reads to both sides. SGLang's fails on a prompt of which a part is cached or
    /// left for later, so each must go through in one piece.
    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        encode::setup(start, ["--disable-radix-cache", "--chunked-prefill-size", "-1"]).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let (engine, mut registration) = Encoder::configure(&settings, &report, "rerank")?;
        check_model(&report)?;
        registration.component = "rerank".into();
        let health_check = json!({
            "model": report.served_name, "query": "health check", "documents": ["health check"],
        });
        Ok(Rerank { engine, card: Card::new(registration, health_check) })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, ranking: &Request, _: &Prompt) -> Result<Plan<Answer>> {
        call::plan(self.engine, ranking)
    }
}

/// Refuses models that rank by generating "yes" or "no": asked for a score, the engine would make
/// one of a state that means nothing. Known by their names or by their chat templates.
fn check_model(report: &EngineReport) -> Result<()> {
    let path = report.model_path.to_lowercase();
    let tokenizer = report.file("tokenizer_config.json");
    let template = tokenizer["chat_template"].as_str().unwrap_or_default().to_lowercase();
    let in_template = |words: &[&str]| words.iter().all(|word| template.contains(word));
    if path.contains("qwen3-reranker")
        || path.contains("qwen3-vl-reranker")
        || in_template(&["answer can only be", "yes", "no"])
    {
        return Err(refused(format!(
            "{}: ranks by generating; this worker type serves cross encoders only",
            report.model_path
        )));
    }
    Ok(())
}

dynamo_worker_sdk::export!(Rerank);

#[cfg(test)]
mod tests;
