//! One request: its checks, and the call to the engine it becomes.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::errors::refused;
use dynamo_worker_sdk::sglang::logprobs::LogprobOptions;
use dynamo_worker_sdk::sglang::media::{Media, check_token_ids};
use dynamo_worker_sdk::sglang::sampling::{CustomParams, SamplingParams};
use dynamo_worker_sdk::sglang::{GenerateBody, TokenConverter, generate, thinking};

use crate::Decode;

/// Asks a disaggregated decode worker to do its own prefill. Dynamo no longer has that.
const BYPASS_REMOTE_PREFILL: &str = "x-bypass-remote-prefill";

/// Makes the plan for one request.
pub(crate) fn plan(
    worker: &Decode,
    incoming: &Request,
    mut request: GenerateRequest,
    prompt: &Prompt,
) -> Result<Plan<TokenConverter>> {
    let engine = &worker.engine;
    check_support(worker, &request)?;
    let sampling_params = sampling_params(worker, &mut request)?;
    let media = Media::take(&mut request, engine, worker.frontend_decoding)?;
    if request.extra_args.nvext.token_in == Some(Json::Bool(true)) {
        check_token_ids(prompt, &media, engine)?;
    }
    let mm_hashes = engine.capabilities.mm_hashes.then(|| media.hashes(&mut request)).flatten();
    let converter = TokenConverter::new(&mut request, true);
    let body = GenerateBody {
        sampling_params,
        logprobs: LogprobOptions::from_request(&request.output_options),
        mm_hashes,
        ..GenerateBody::new(incoming, &request, &media, engine)?
    };
    let call = body.into_call(incoming, engine)?;
    Ok(Plan::new(call, converter).abort_with(generate::abort(&incoming.fresh.request_id)?))
}

fn sampling_params(worker: &Decode, request: &mut GenerateRequest) -> Result<SamplingParams> {
    let mut params = SamplingParams::from_request(request, &worker.engine)?;
    params.custom_params = thinking::budget(request, params.constraint.as_ref(), &worker.engine)?
        .map(|thinking_budget| CustomParams { thinking_budget });
    Ok(params)
}

/// Refuses what would otherwise be left out of the answer without a word.
fn check_support(worker: &Decode, request: &GenerateRequest) -> Result<()> {
    if request.annotations.iter().any(|word| word == BYPASS_REMOTE_PREFILL) {
        return Err(refused(format!("annotations: `{BYPASS_REMOTE_PREFILL}` is not supported")));
    }
    let refuse = |what: &str| Err(Error::new(Kind::NotImplemented, what).public());
    if request.extra_args.sglang_tito.as_ref().is_some_and(Json::is_object) {
        return refuse(
            "extra_args.sglang_tito: this worker takes no requests in SGLang's own words",
        );
    }
    let upload = [&request.nvext.metadata_upload, &request.extra_args.nvext.metadata_upload];
    if worker.metadata_upload && upload.into_iter().flatten().any(|upload| !upload.is_null()) {
        return refuse("nvext.metadata_upload: this worker cannot upload metadata");
    }
    Ok(())
}
