//! The worker type `video_generation`: videos from text, and from text and an image, with SGLang.
//!
//! Requests come as the client wrote them (OpenAI's videos) and become jobs of SGLang's diffusion
//! server, one at a time: a job is submitted, asked after, and its video fetched. Behaves as the video
//! worker of `dynamo.sglang` 1.6.1 does, whose engine is in its process: what goes wrong with a request
//! stands in its answer. tests/cases/ODDITIES.md says where a server makes a difference.

mod answer;
mod call;
mod job;
mod request;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::{Limits, Settings, launch, server, settings};

pub use job::Job;

/// A picture of 2048 by 2048, a minute at 24 frames a second.
const LIMITS: Limits = Limits { max_pixels: 2048 * 2048, max_frames: 1440, max_steps: 1000 };

/// A worker that makes videos.
#[derive(Debug, Serialize, Deserialize)]
pub struct VideoGeneration {
    limits: Limits,
    /// Only needed where the worker is configured, so no part of its state.
    #[serde(skip)]
    card: Card,
}

impl Worker for VideoGeneration {
    type Settings = Settings;
    type Converter = Job;

    fn describe() -> Manifest {
        Manifest::new("video_generation", env!("CARGO_PKG_VERSION"), "video-generation")
            .summary("Videos from text, and from text and an image, with SGLang's diffusion server")
            .settings_schema(settings::schema(&["max_pixels", "max_frames", "max_steps"], LIMITS))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        launch::setup(start, launch::Files::Fetched).map(Some)
    }

    fn configure(settings: Settings, report: EngineReport) -> Result<Self> {
        let registration = server::register(&report, "VIDEO", vec!["videos".to_owned()])?;
        let health_check = json!({
            "prompt": "test", "model": report.model_path, "seconds": 1, "size": "256x256",
            "response_format": "b64_json",
            "nvext": {"fps": 8, "num_frames": 8, "num_inference_steps": 1, "guidance_scale": 5.0},
        });
        let limits = settings.limits(LIMITS);
        Ok(VideoGeneration { limits, card: Card::new(registration, health_check) })
    }

    fn card(&self) -> Option<&Card> {
        Some(&self.card)
    }

    fn plan(&self, incoming: &Request, _: &Prompt) -> Result<Plan<Job>> {
        call::plan(&self.limits, incoming)
    }
}

dynamo_worker_sdk::export!(VideoGeneration);

#[cfg(test)]
mod tests;
