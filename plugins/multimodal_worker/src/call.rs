//! One request: the call to the engine and, where another engine does the prefill, the request to
//! its worker before.

use dynamo_worker_sdk::peers::{self, Reply};
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::disagg::{self, Bootstrap};
use dynamo_worker_sdk::sglang::multimodal::{
    Attachments, Fault, Frames, MultimodalRequest, PrefillRequest, Preprocessed, generate,
    generate_request, read, sampling_params,
};
use dynamo_worker_sdk::sglang::{errors, generate as sglang};

use crate::MultimodalWorker;
use crate::answer::Answer;

/// Makes the plan for an encode worker's request.
pub(crate) fn plan(worker: &MultimodalWorker, incoming: &Request) -> Result<Plan<Answer>> {
    let asked: MultimodalRequest = read(incoming)?;
    let engine = &worker.engine;
    if worker.prefill.is_some() {
        disagg::check_single_choice(&generate_request(&asked.request))?;
    }
    asked.request.check_prompt()?;
    let sampling_params = sampling_params(&asked.request, engine)?;
    // The prefill worker fetches the media and has them encoded while this one fetches them.
    let prefill = worker.prefill.as_deref().map(|endpoint| {
        let request = asked.clone();
        let sampling_params = sampling_params.clone();
        peers::open(endpoint, &PrefillRequest { request, sampling_params })
    });
    let prefill = prefill.transpose()?;
    let attachments = Attachments::fetch(&asked.media()?)?;
    let bootstrap = prefill.as_ref().map(meeting_place).transpose()?;
    let frames = Frames::new(asked.request.sampling_options.n, Fault::Frame { room: None })
        .with_media(!attachments.is_empty());
    let call = generate(incoming, &asked.request, sampling_params, attachments, bootstrap, engine)?;
    let abort = sglang::abort(&incoming.fresh.request_id)?;
    Ok(Plan::new(call, Answer::new(frames, prefill)).abort_with(abort))
}

/// Makes the plan for a health check, which is a plain request for tokens, and must fail when the
/// engine does.
pub(crate) fn probe(
    worker: &MultimodalWorker,
    incoming: &Request,
    prompt: &Prompt,
) -> Result<Plan<Answer>> {
    let request = Preprocessed { token_ids: Some(prompt.iter().collect()), ..incoming.parse()? };
    let bootstrap = match &worker.prefill {
        None => None,
        Some(_) => Some(Bootstrap::told(&incoming.parse::<GenerateRequest>()?)?),
    };
    let sampling_params = sampling_params(&request, &worker.engine)?;
    let attachments = Attachments::default();
    let call =
        generate(incoming, &request, sampling_params, attachments, bootstrap, &worker.engine)?;
    let abort = sglang::abort(&incoming.fresh.request_id)?;
    let frames = Frames::new(None, Fault::Failure);
    Ok(Plan::new(call, Answer::new(frames, None)).abort_with(abort))
}

/// Where the engines meet, by the first thing the prefill worker says.
fn meeting_place(reply: &Reply) -> Result<Bootstrap> {
    let first = reply.next::<Json>()?.into_iter().next();
    let first = first.ok_or_else(|| errors::refused("the prefill worker did not answer"))?;
    // Dynamo's workers send JSON as text.
    let first = match first {
        Json::String(text) => serde_json::from_str(&text)?,
        other => other,
    };
    if first["finish_reason"] == "error" {
        let why = first["error"].as_str().unwrap_or("the prefill worker failed without saying why");
        return Err(Error::internal(why));
    }
    serde_json::from_value(first).map_err(|error| {
        Error::backend_protocol(format!("the prefill worker names no meeting place: {error}"))
    })
}
