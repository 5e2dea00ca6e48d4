//! One request: its checks, and the call to the engine it becomes.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::media::{Media, check_token_ids};
use dynamo_worker_sdk::sglang::sampling::SamplingParams;
use dynamo_worker_sdk::sglang::text::TextConverter;
use dynamo_worker_sdk::sglang::{TokenConverter, generate, thinking};

use crate::LlmDiffusion;
use crate::answer::Answer;

/// The body of `/generate`, without the token ids, which the host adds.
#[derive(Serialize)]
struct DiffusionBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    stream: bool,
    sampling_params: SamplingParams,
}

/// Makes the plan for one request.
pub(crate) fn plan(
    worker: &LlmDiffusion,
    incoming: &Request,
    prompt: &Prompt,
) -> Result<Plan<Answer>> {
    let engine = &worker.engine;
    let mut request: GenerateRequest = incoming.parse()?;
    if thinking::asked(&request).is_some() {
        return Err(Error::invalid_request(
            "max_thinking_tokens: a diffusion language model does not think before it answers",
        ));
    }
    let mut text =
        worker.text.as_ref().map(|mode| mode.take(incoming, &mut request)).transpose()?;
    Media::refuse(&request)?;
    if text.is_none() && request.extra_args.nvext.token_in == Some(Json::Bool(true)) {
        check_token_ids(prompt, &Media::default(), engine)?;
    }
    // As with Dynamo's worker, the engine draws its own id unless the request is traced. Without an
    // id there is nothing to tell the engine when the client leaves: it gives up when the
    // connection closes.
    let traced = engine.trace && !incoming.trace_headers.is_empty();
    let rid = traced.then_some(incoming.fresh.request_id.as_str());
    let mut sampling_params = SamplingParams::from_request(&mut request, engine)?;
    if let Some(text) = &mut text {
        text.stop_at(&mut sampling_params);
    }
    let text = text.as_ref().map(|text| text.prompt.as_str());
    let body = DiffusionBody { rid, text, stream: true, sampling_params };
    let mut call = Call::post("/generate", &body)?.sse();
    if text.is_none() && incoming.token_count.is_some() {
        call = call.tokens_as("input_ids");
    }
    if traced {
        call = call.headers(&incoming.trace_headers);
    }
    let converter = match &worker.text {
        None => Answer::Tokens(TokenConverter::new(&mut request, true).show_all_stops()),
        Some(mode) => {
            Answer::Text(TextConverter::new(mode, incoming, &mut request).show_all_stops())
        }
    };
    let plan = Plan::new(call, converter);
    Ok(match rid {
        Some(rid) => plan.abort_with(generate::abort(rid)?),
        None => plan,
    })
}
