//! One request: its checks, and the call to the engine it becomes.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::disagg::{self, Bootstrap};
use dynamo_worker_sdk::sglang::errors::refused;
use dynamo_worker_sdk::sglang::logprobs::LogprobOptions;
use dynamo_worker_sdk::sglang::media::{Media, check_token_ids};
use dynamo_worker_sdk::sglang::native::{Native, NativeConverter};
use dynamo_worker_sdk::sglang::sampling::{CustomParams, SamplingParams};
use dynamo_worker_sdk::sglang::text::TextConverter;
use dynamo_worker_sdk::sglang::{GenerateBody, TokenConverter, generate, thinking};

use crate::Decode;
use crate::answer::Answer;

/// Asks a disaggregated decode worker to do its own prefill. Dynamo no longer has that.
const BYPASS_REMOTE_PREFILL: &str = "x-bypass-remote-prefill";

/// Makes the plan for one request.
pub(crate) fn plan(
    worker: &Decode,
    incoming: &Request,
    mut request: GenerateRequest,
    prompt: &Prompt,
) -> Result<Plan<Answer>> {
    let engine = &worker.engine;
    let mut text =
        worker.text.as_ref().map(|mode| mode.take(incoming, &mut request)).transpose()?;
    check_support(worker, &request)?;
    // A prefill engine has fetched the media already, and only from where it can be told to.
    let media =
        Media::take(&mut request, engine, worker.frontend_decoding && !worker.disaggregated)?;
    if text.is_none() && request.extra_args.nvext.token_in == Some(Json::Bool(true)) {
        check_token_ids(prompt, &media, engine)?;
    }
    let bootstrap = if worker.disaggregated { Some(Bootstrap::told(&request)?) } else { None };
    if let Some(native) = Native::take(&mut request) {
        let (call, names) = native.into_call(incoming, &request, engine, bootstrap)?;
        let abort = generate::abort(&names.engine)?;
        let converter = NativeConverter::new(names, !worker.disaggregated);
        return Ok(Plan::new(call, Answer::Native(converter)).abort_with(abort));
    }
    let mut sampling_params = sampling_params(worker, &mut request)?;
    if let Some(text) = &mut text {
        text.stop_at(&mut sampling_params);
    }
    let with_hashes = engine.capabilities.mm_hashes && !worker.disaggregated;
    let mm_hashes = with_hashes.then(|| media.hashes(&mut request)).flatten();
    let converter = match &worker.text {
        None => Answer::Tokens(TokenConverter::new(&mut request, !worker.disaggregated)),
        Some(mode) => Answer::Text(TextConverter::new(mode, incoming, &mut request)),
    };
    let body = GenerateBody {
        sampling_params,
        logprobs: LogprobOptions::from_request(&request.output_options),
        text: text.as_ref().map(|text| text.prompt.as_str()),
        mm_hashes,
        disagg_prefill_dp_rank: bootstrap
            .is_some()
            .then(|| generate::prefill_rank(&request, engine))
            .flatten(),
        bootstrap,
        ..GenerateBody::new(incoming, &request, &media, engine)?
    };
    let call = body.into_call(incoming, engine)?;
    let abort = generate::abort(&incoming.fresh.request_id)?;
    Ok(Plan::new(call, converter).abort_with(abort))
}

fn sampling_params(worker: &Decode, request: &mut GenerateRequest) -> Result<SamplingParams> {
    let mut params = SamplingParams::from_request(request, &worker.engine)?;
    params.custom_params = thinking::budget(request, params.constraint.as_ref(), &worker.engine)?
        .map(|thinking_budget| CustomParams { thinking_budget });
    Ok(params)
}

/// Refuses what would otherwise be left out of the answer without a word.
fn check_support(worker: &Decode, request: &GenerateRequest) -> Result<()> {
    if worker.disaggregated {
        disagg::check_single_choice(request)?;
    }
    if request.annotations.iter().any(|word| word == BYPASS_REMOTE_PREFILL) {
        return Err(refused(format!("annotations: `{BYPASS_REMOTE_PREFILL}` is not supported")));
    }
    let upload = [&request.nvext.metadata_upload, &request.extra_args.nvext.metadata_upload];
    if worker.metadata_upload && upload.into_iter().flatten().any(|upload| !upload.is_null()) {
        return Err(Error::new(
            Kind::NotImplemented,
            "nvext.metadata_upload: this worker cannot upload metadata",
        )
        .public());
    }
    Ok(())
}
