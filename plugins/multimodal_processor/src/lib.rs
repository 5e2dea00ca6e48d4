//! The worker type `multimodal_processor`: chat requests with images and videos as clients write
//! them, made into the requests the encode worker takes.
//!
//! The frontend hands it OpenAI's chat requests. It applies the model's chat template, in which the
//! model's own token stands where an image or a video belongs, and asks the encode worker; what that
//! answers goes back as OpenAI's chunks. It has no engine and no tokenizer: the prompt goes on as
//! text, and the language engine tokenizes it, as exactly as it would a prompt of its own.
//!
//! Dynamo's releases before 1.0 have such a worker; in 1.6.1 the frontend does its work.

mod answer;
mod call;
mod media;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::Settings;
use dynamo_worker_sdk::sglang::multimodal::Peer;
use dynamo_worker_sdk::sglang::text::TextMode;

pub use answer::Answer;

/// A worker that makes prompts of chats.
#[derive(Debug, Serialize, Deserialize)]
pub struct MultimodalProcessor {
    text: TextMode,
    /// The endpoint of the encode worker.
    encode: String,
    #[serde(skip)]
    card: Card,
}

impl Worker for MultimodalProcessor {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("multimodal_processor", env!("CARGO_PKG_VERSION"), "multimodal-processor")
            .summary("Chats with images and videos, made into prompts for encode workers")
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let text = TextMode::of_model(&report);
        let mut registration = Registration::aggregated(["chat"], Input::Text);
        // No needs: frontends look for those among workers of the same model name, and the encode
        // worker may have another. Without one requests are refused as unavailable.
        registration.component = "processor".into();
        // Whether the others work they say themselves.
        let health_check = json!({
            "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
                {"type": "text", "text": "Test"},
            ]}],
            "max_tokens": 1,
        });
        Ok(MultimodalProcessor {
            text,
            encode: Peer::Encode.endpoint(&settings),
            card: Card::new(registration, health_check),
        })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, _: &Prompt) -> Result<Plan<Answer>> {
        call::plan(self, incoming)
    }
}

dynamo_worker_sdk::export!(MultimodalProcessor);

#[cfg(test)]
mod tests;
