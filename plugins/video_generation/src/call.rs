//! The job that a request becomes.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::{Delivery, Limits, delivery, reference};

use crate::answer::About;
use crate::job::{JOBS, Job};
use crate::request::{VideoRequest, Wanted};

/// The body of a new job. A prompt against which there is none is left out: the model's own then
/// counts.
#[derive(Serialize)]
struct EngineBody<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<&'a str>,
    size: String,
    num_frames: u64,
    fps: u64,
    num_inference_steps: u64,
    guidance_scale: f64,
    seed: u64,
    /// Where the host puts the image to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_reference: Option<()>,
}

/// Makes the plan for one request. A request that is wrong has an answer that says so; a health check
/// that is fails.
pub(crate) fn plan(limits: &Limits, incoming: &Request) -> Result<Plan<Job>> {
    // Also of a request that cannot be read.
    let model = incoming.parse::<Named>().ok().and_then(|named| named.model);
    let about = About::new(incoming, model.unwrap_or_else(|| "unknown".to_owned()));
    match begin(limits, incoming) {
        Ok((call, delivery)) => Ok(Plan::new(call, Job::new(about, delivery, incoming.probe))),
        Err(error) if incoming.probe => Err(error),
        Err(error) => {
            let mut answer = Chunks::default();
            answer.send(&about.failed(&crate::answer::text_of(&error)))?;
            Ok(Plan::answered(answer, Job::new(about, Delivery::Base64, false)))
        }
    }
}

#[derive(Deserialize)]
struct Named {
    model: Option<String>,
}

fn begin(limits: &Limits, incoming: &Request) -> Result<(Call, Delivery)> {
    // Unlike an image's, a video's client reads what was wrong.
    let request: VideoRequest = incoming.parse()?;
    let wanted = request.wanted(incoming, limits)?;
    let delivery = match wanted.by_url {
        true => {
            let id = delivery::name_part("the request's id", &incoming.id)?;
            Delivery::Store(format!("{id}.mp4"))
        }
        false => Delivery::Base64,
    };
    let image = wanted.reference.as_deref().map(reference::fetch).transpose()?;
    let call = match image {
        None => Call::post(JOBS, &body(&wanted, None))?,
        Some(image) => Call::post(JOBS, &body(&wanted, Some(())))?.form().inlay(
            "/input_reference",
            image,
            InlayForm::Base64,
        ),
    };
    Ok((call, delivery))
}

fn body(wanted: &Wanted, input_reference: Option<()>) -> EngineBody<'_> {
    EngineBody {
        prompt: &wanted.prompt,
        negative_prompt: wanted.negative_prompt.as_deref(),
        size: wanted.size.to_string(),
        num_frames: wanted.frames,
        fps: wanted.fps,
        num_inference_steps: wanted.steps,
        guidance_scale: wanted.guidance_scale,
        seed: wanted.seed,
        input_reference,
    }
}
