//! A video request: what it may say, and what it means if it does not.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::object;
use dynamo_worker_sdk::sglang::diffusion::{Limits, Size, options};

const DEFAULT_SIZE: &str = "832x480";
const DEFAULT_SECONDS: i64 = 4;
const DEFAULT_FPS: i64 = 24;
const DEFAULT_STEPS: i64 = 50;
const DEFAULT_GUIDANCE: f64 = 5.0;
const FORMAT: &str = "mp4";

/// OpenAI's video request with Dynamo's extensions. Where null is another thing than nothing, the
/// member has a default.
#[derive(Debug, Deserialize)]
pub(crate) struct VideoRequest {
    prompt: String,
    #[serde(rename = "model")]
    _model: String,
    input_reference: Option<String>,
    #[serde(default = "default_seconds")]
    seconds: Option<i64>,
    #[serde(default = "default_size")]
    size: Option<String>,
    #[serde(default = "by_url")]
    response_format: Option<String>,
    output_format: Option<String>,
    #[serde(default, deserialize_with = "object")]
    nvext: Extensions,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Extensions {
    fps: Option<i64>,
    num_frames: Option<i64>,
    negative_prompt: Option<String>,
    num_inference_steps: Option<i64>,
    guidance_scale: f64,
    seed: Option<i64>,
}

impl Default for Extensions {
    fn default() -> Self {
        Extensions {
            fps: Some(DEFAULT_FPS),
            num_frames: None,
            negative_prompt: None,
            num_inference_steps: Some(DEFAULT_STEPS),
            guidance_scale: DEFAULT_GUIDANCE,
            seed: None,
        }
    }
}

/// What the engine is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) prompt: String,
    pub(crate) negative_prompt: Option<String>,
    pub(crate) size: Size,
    pub(crate) frames: u64,
    pub(crate) fps: u64,
    pub(crate) steps: u64,
    pub(crate) guidance_scale: f64,
    pub(crate) seed: u64,
    /// The URL of the image to begin with.
    pub(crate) reference: Option<String>,
    /// Whether the client gets a URL instead of base64.
    pub(crate) by_url: bool,
}

impl VideoRequest {
    /// Checks it.
    pub(crate) fn wanted(self, incoming: &Request, limits: &Limits) -> Result<Wanted> {
        let given = self.nvext;
        let fps = options::count("fps", required("fps", given.fps)?, limits.max_frames)?;
        let steps = required("num_inference_steps", given.num_inference_steps)?;
        if let Some(format) = self.output_format.filter(|format| !["", FORMAT].contains(&&**format))
        {
            return Err(Error::invalid_request(format!(
                "output_format: `{format}` is not supported, only `{FORMAT}` is"
            )));
        }
        Ok(Wanted {
            by_url: match self.response_format.as_deref() {
                Some("url") => true,
                None | Some("" | "b64_json") => false,
                Some(other) => {
                    return Err(Error::invalid_request(format!(
                        "response_format: `{other}` is neither `url` nor `b64_json`"
                    )));
                }
            },
            frames: frames(given.num_frames, fps, self.seconds, limits)?,
            fps,
            prompt: self.prompt,
            negative_prompt: given.negative_prompt,
            size: Size::parse(required("size", self.size.as_deref())?, limits)?,
            steps: options::steps(steps, limits)?,
            guidance_scale: options::guidance_scale(given.guidance_scale)?,
            seed: options::seed(given.seed, incoming.fresh.seed)?,
            reference: self.input_reference.filter(|url| !url.is_empty()),
        })
    }
}

/// Given, or as many as the time takes.
fn frames(given: Option<i64>, fps: u64, seconds: Option<i64>, limits: &Limits) -> Result<u64> {
    if let Some(frames) = given {
        return options::count("num_frames", frames, limits.max_frames);
    }
    let seconds = options::count("seconds", required("seconds", seconds)?, u64::MAX)?;
    let frames = fps.saturating_mul(seconds);
    if frames > limits.max_frames {
        return Err(Error::invalid_request(format!(
            "seconds: {seconds} at {fps} frames a second are {frames} frames, over this worker's limit \
             of {}",
            limits.max_frames
        )));
    }
    Ok(frames)
}

fn required<T>(member: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::invalid_request(format!("{member}: must not be null")))
}

fn default_seconds() -> Option<i64> {
    Some(DEFAULT_SECONDS)
}

fn default_size() -> Option<String> {
    Some(DEFAULT_SIZE.to_owned())
}

fn by_url() -> Option<String> {
    Some("url".to_owned())
}
