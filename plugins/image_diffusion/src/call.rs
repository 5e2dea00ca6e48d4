//! The call to the engine that a request becomes.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::{Delivery, Limits, delivery, reference};

use crate::answer::{Answer, MEDIUM};
use crate::request::{ImageRequest, Wanted};

/// The body of `/v1/images/generations` and, as a form, of `/v1/images/edits`. A prompt against which
/// there is none is left out: the model's own then counts.
#[derive(Serialize)]
struct EngineBody<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<&'a str>,
    size: String,
    num_inference_steps: u64,
    guidance_scale: f64,
    seed: u64,
    response_format: &'static str,
    /// The engine's own choice would be JPEG.
    output_format: &'static str,
    /// Where the host puts the image to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<()>,
}

/// Makes the plan for one request. There is no call to give up on it: the engine knows none, and goes
/// on with an image nobody waits for.
pub(crate) fn plan(limits: &Limits, incoming: &Request) -> Result<Plan<Answer>> {
    let request = ImageRequest::read(incoming)?;
    let delivery = match request.by_url() {
        true => Delivery::Store(name(&request, incoming)?),
        false => Delivery::Base64,
    };
    let wanted = request.wanted(incoming, limits)?;
    let image = wanted.reference.as_deref().map(reference::fetch).transpose()?;
    let call = match image {
        None => Call::post("/v1/images/generations", &body(&wanted, None))?,
        Some(image) => Call::post("/v1/images/edits", &body(&wanted, Some(())))?.form().inlay(
            "/image",
            image,
            InlayForm::Base64,
        ),
    };
    Ok(Plan::new(call.lift(MEDIUM), Answer::new(incoming, delivery)))
}

fn body(wanted: &Wanted, image: Option<()>) -> EngineBody<'_> {
    EngineBody {
        prompt: &wanted.prompt,
        negative_prompt: wanted.negative_prompt.as_deref(),
        size: wanted.size.to_string(),
        num_inference_steps: wanted.steps,
        guidance_scale: wanted.guidance_scale,
        seed: wanted.seed,
        response_format: MEDIUM,
        output_format: "png",
        image,
    }
}

/// Where the image lies in the operator's store, as Dynamo's worker names it.
fn name(request: &ImageRequest, incoming: &Request) -> Result<String> {
    let id = delivery::name_part("the request's id", &incoming.id)?;
    let user = request.user.as_deref().filter(|user| !user.is_empty());
    let user = user.map_or(Ok(id), |user| delivery::name_part("user", user))?;
    Ok(format!("users/{user}/generations/{id}/{}.png", delivery::fresh_name(incoming)))
}
