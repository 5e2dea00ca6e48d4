//! One request: where the decode engine is told to come, and the call to ours.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::disagg::Bootstrap;
use dynamo_worker_sdk::sglang::generate as sglang;
use dynamo_worker_sdk::sglang::multimodal::{
    Attachments, Fault, PrefillRequest, Preprocessed, generate, hold_to_budget, read,
    sampling_params,
};

use crate::MultimodalPrefill;
use crate::answer::Answer;

/// Makes the plan for a multimodal worker's request.
pub(crate) fn plan(worker: &MultimodalPrefill, incoming: &Request) -> Result<Plan<Answer>> {
    let asked = match read::<PrefillRequest>(incoming) {
        Ok(asked) => asked,
        Err(error) => return Answer::told(error, Fault::Frame { room: None }),
    };
    let bootstrap = Bootstrap {
        bootstrap_host: worker.address.host.clone(),
        bootstrap_port: worker.address.port,
        bootstrap_room: incoming.fresh.bootstrap_room,
    };
    let fault = Fault::Frame { room: Some(bootstrap.bootstrap_room) };
    meet(worker, incoming, asked, bootstrap, fault).or_else(|error| Answer::told(error, fault))
}

fn meet(
    worker: &MultimodalPrefill,
    incoming: &Request,
    asked: PrefillRequest,
    bootstrap: Bootstrap,
    fault: Fault,
) -> Result<Plan<Answer>> {
    let PrefillRequest { request: asked, mut sampling_params } = asked;
    hold_to_budget(&asked.request, &mut sampling_params, &worker.engine)?;
    asked.request.check_prompt()?;
    let attachments = Attachments::fetch(&asked.media()?)?;
    let mut preface = Chunks::default();
    // Frames are JSON as text.
    preface.send(&serde_json::to_string(&bootstrap)?)?;
    let bootstrap = Some(bootstrap);
    let engine = &worker.engine;
    let call = generate(incoming, &asked.request, sampling_params, attachments, bootstrap, engine)?;
    let abort = sglang::abort(&incoming.fresh.request_id)?;
    Ok(Plan { preface, ..Plan::new(call, Answer::new(fault)).abort_with(abort) })
}

/// Makes the plan for a health check, which is a plain request for tokens and pretends the transfer.
pub(crate) fn probe(
    worker: &MultimodalPrefill,
    incoming: &Request,
    prompt: &Prompt,
) -> Result<Plan<Answer>> {
    let request = Preprocessed { token_ids: Some(prompt.iter().collect()), ..incoming.parse()? };
    let bootstrap = Some(Bootstrap::told(&incoming.parse::<GenerateRequest>()?)?);
    let params = sampling_params(&request, &worker.engine)?;
    let media = Attachments::default();
    let call = generate(incoming, &request, params, media, bootstrap, &worker.engine)?;
    let abort = sglang::abort(&incoming.fresh.request_id)?;
    Ok(Plan::new(call, Answer::new(Fault::Failure)).abort_with(abort))
}
