//! An image request: what it may say, and what it means if it does not.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::object;
use dynamo_worker_sdk::sglang::diffusion::{Limits, Size, options, reference};
use dynamo_worker_sdk::sglang::encode;

/// More are not made of what a client asks for.
pub(crate) const MOST_STEPS: u64 = 50;
const DEFAULT_GUIDANCE: f64 = 7.5;
const DEFAULT_SIZE: &str = "1024x1024";

/// OpenAI's image request with Dynamo's extensions. `n`, `quality` and what else OpenAI has is
/// nobody's to heed.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageRequest {
    prompt: String,
    #[serde(rename = "model")]
    _model: String,
    size: Option<String>,
    /// Unless it is said otherwise, even by null, the client gets a URL.
    #[serde(default = "by_url")]
    response_format: Option<String>,
    pub(crate) user: Option<String>,
    input_reference: Option<String>,
    #[serde(default, deserialize_with = "object")]
    nvext: Extensions,
    /// Of no account, but for the health check, which Dynamo writes that way.
    num_inference_steps: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct Extensions {
    negative_prompt: Option<String>,
    num_inference_steps: Option<i64>,
    guidance_scale: Option<f64>,
    seed: Option<i64>,
}

/// What the engine is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) prompt: String,
    pub(crate) negative_prompt: Option<String>,
    pub(crate) size: Size,
    pub(crate) steps: u64,
    pub(crate) guidance_scale: f64,
    pub(crate) seed: u64,
    /// The URL of the image to begin with.
    pub(crate) reference: Option<String>,
}

impl ImageRequest {
    pub(crate) fn read(incoming: &Request) -> Result<Self> {
        encode::parse(incoming)
    }

    /// Whether the client gets a URL: any other word means base64.
    pub(crate) fn by_url(&self) -> bool {
        self.response_format.as_deref() == Some("url")
    }

    /// Checks it.
    pub(crate) fn wanted(self, incoming: &Request, limits: &Limits) -> Result<Wanted> {
        let given = self.nvext;
        let size = self.size.as_deref().filter(|size| *size != "auto").unwrap_or(DEFAULT_SIZE);
        let asked_steps = match incoming.probe {
            // One is enough to see that the engine works.
            true => Some(self.num_inference_steps.unwrap_or(1)),
            false => given.num_inference_steps,
        };
        let steps = match asked_steps {
            None | Some(0) => MOST_STEPS,
            Some(steps) => options::count("num_inference_steps", steps, u64::MAX)?.min(MOST_STEPS),
        };
        let guidance = given.guidance_scale.filter(|scale| *scale != 0.0);
        Ok(Wanted {
            prompt: self.prompt,
            negative_prompt: given.negative_prompt,
            size: Size::parse(size, limits)?,
            steps,
            guidance_scale: options::guidance_scale(guidance.unwrap_or(DEFAULT_GUIDANCE))?,
            seed: options::seed(given.seed, incoming.fresh.seed)?,
            reference: self.input_reference.map(checked_reference).transpose()?,
        })
    }
}

/// Dynamo's worker takes no `data:` URL here.
fn checked_reference(url: String) -> Result<String> {
    let problem = match url.trim() {
        "" => "is blank; leave it out for none",
        url if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) => {
            "data URLs are not taken here; give one that can be fetched"
        }
        _ => return Ok(url),
    };
    Err(Error::invalid_request(format!("{}: {problem}", reference::MEMBER)))
}

fn by_url() -> Option<String> {
    Some("url".to_owned())
}
