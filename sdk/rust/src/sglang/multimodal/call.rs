//! The call to the engine.

use serde::Serialize;
use serde_json::{Map, Value};

use super::attach::Attachments;
use super::request::Preprocessed;
use crate::sglang::Engine;
use crate::sglang::disagg::Bootstrap;
use crate::{Call, Request, Result};

/// The body of `POST /generate`.
#[derive(Debug, Serialize)]
struct Body<'a> {
    rid: &'a str,
    stream: bool,
    sampling_params: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_data: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    video_data: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    require_reasoning: Option<bool>,
    #[serde(flatten)]
    bootstrap: Option<Bootstrap>,
}

/// Asks the engine to go on from the request's prompt.
///
/// # Errors
/// Never: the body is plain.
pub fn generate(
    incoming: &Request,
    request: &Preprocessed,
    sampling_params: Map<String, Value>,
    attachments: Attachments,
    bootstrap: Option<Bootstrap>,
    engine: &Engine,
) -> Result<Call> {
    let input_ids = request.ids();
    let [image_data, video_data] = attachments.places();
    let known = &engine.capabilities;
    let body = Body {
        rid: &incoming.fresh.request_id,
        stream: true,
        sampling_params,
        input_ids,
        text: request.prompt.as_deref().filter(|_| input_ids.is_none()),
        image_data,
        video_data,
        require_reasoning: known.require_reasoning.then_some(request.require_reasoning),
        bootstrap,
    };
    let mut call = attachments.write_into(Call::post("/generate", &body)?).sse();
    if engine.trace {
        call = call.headers(&incoming.trace_headers);
    }
    Ok(call)
}
