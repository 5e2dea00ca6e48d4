//! The worker type `image_diffusion`: images from text, and from text and an image, with SGLang.
//!
//! Requests come as the client wrote them (OpenAI's images) and go to SGLang's diffusion server, one at
//! a time. Behaves as the image diffusion worker of `dynamo.sglang` 1.6.1 does, whose engine is in its
//! process; tests/cases/ODDITIES.md says where a server makes a difference.

mod answer;
mod call;
mod request;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::{Limits, Settings, launch, server, settings};

pub use answer::Answer;

/// 4096 by 4096, or anything as large. The steps are clamped (`request`) and need no limit of the
/// operator's.
const LIMITS: Limits =
    Limits { max_pixels: 4096 * 4096, max_frames: 1, max_steps: request::MOST_STEPS };

/// A worker that makes images.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImageDiffusion {
    limits: Limits,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Worker for ImageDiffusion {
    type Settings = Settings;
    type Converter = Answer;

    fn describe() -> Manifest {
        Manifest::new("image_diffusion", env!("CARGO_PKG_VERSION"), "image-diffusion")
            .summary("Images from text, and from text and an image, with SGLang's diffusion server")
            .settings_schema(settings::schema(&["output_modalities", "max_pixels"], LIMITS))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        launch::setup(start, launch::Files::None).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        // `text` is what all of Dynamo's workers say by default.
        let modalities = match &settings.output_modalities {
            Some(given) if *given != ["text"] => given.clone(),
            _ => vec!["image".to_owned()],
        };
        let registration = server::register(&report, "IMAGE", server::surfaces(&modalities)?)?;
        let health_check = json!({
            "prompt": "test", "model": report.model_path, "n": 1, "size": "512x512",
            "num_inference_steps": 1, "guidance_scale": 7.5, "response_format": "b64_json",
        });
        let limits = settings.limits(LIMITS);
        Ok(ImageDiffusion { limits, card: Card::new(registration, health_check) })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, _: &Prompt) -> Result<Plan<Answer>> {
        call::plan(&self.limits, incoming)
    }
}

dynamo_worker_sdk::export!(ImageDiffusion);

#[cfg(test)]
mod tests;
