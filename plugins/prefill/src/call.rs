//! One request: where the decode engine is told to come, and the call to ours.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::{GenerateRequest, OutputOptions, StopConditions};
use dynamo_worker_sdk::sglang::disagg::{self, Bootstrap};
use dynamo_worker_sdk::sglang::guided::Constraint;
use dynamo_worker_sdk::sglang::logprobs::LogprobOptions;
use dynamo_worker_sdk::sglang::media::{Media, check_token_ids};
use dynamo_worker_sdk::sglang::native::Native;
use dynamo_worker_sdk::sglang::sampling::{CustomParams, SamplingParams};
use dynamo_worker_sdk::sglang::{Engine, GenerateBody, generate, thinking};
use serde_json::Map;

use crate::Prefill;
use crate::answer::Answer;
use crate::asked::Asked;

/// In `routing.dp_rank`: the router has not chosen one.
const NO_RANK: u32 = u32::MAX;

/// The first chunk, with which the router sends the request on to a decode worker.
#[derive(Debug, Serialize)]
struct MeetingPlace<'a> {
    token_ids: [u32; 0],
    disaggregated_params: &'a Bootstrap,
}

/// Makes the plan for one request.
pub(crate) fn plan(worker: &Prefill, incoming: &Request, prompt: &Prompt) -> Result<Plan<Answer>> {
    let Asked { mut request, wrapped } = Asked::read(incoming)?;
    disagg::check_single_choice(&request)?;
    let bootstrap = Bootstrap::offered(&request, &worker.address, incoming.fresh.bootstrap_room)?;
    request.routing.dp_rank = request.routing.dp_rank.filter(|rank| *rank != NO_RANK);
    // Means something to decode engines only.
    request.routing.prefill_dp_rank = None;

    let is_probe = request.is_health_check;
    let mut preface = Chunks::default();
    if !is_probe {
        preface.send(&MeetingPlace { token_ids: [], disaggregated_params: &bootstrap })?;
    }
    let engine = &worker.engine;
    let (call, engine_id) = match wrapped {
        None => call(engine, incoming, request, prompt, None, bootstrap)?,
        Some(mut wrapped) => {
            let prompt = wrapped.prompt(incoming);
            let sampling = Some(wrapped.sampling_params);
            let (mut call, engine_id) =
                call(engine, &prompt.request, request, &prompt.ids(), sampling, bootstrap)?;
            prompt.write_into(&mut call)?;
            (call, engine_id)
        }
    };
    let mut plan = Plan::new(call, Answer::new(is_probe)).abort_with(generate::abort(&engine_id)?);
    plan.preface = preface;
    Ok(plan)
}

/// The call, and what the engine knows the request by.
fn call(
    engine: &Engine,
    incoming: &Request,
    mut request: GenerateRequest,
    prompt: &Prompt,
    wrapped_sampling: Option<Map<String, Json>>,
    bootstrap: Bootstrap,
) -> Result<(Call, String)> {
    // Media the frontend has decoded cannot be looked at twice, as a pair of engines must.
    let media = Media::take(&mut request, engine, false)?;
    if request.extra_args.nvext.token_in == Some(Json::Bool(true)) {
        check_token_ids(prompt, &media, engine)?;
    }
    if let Some(mut native) = Native::take(&mut request) {
        native.limit_to_prefill()?;
        let (call, names) = native.into_call(incoming, &request, engine, Some(bootstrap))?;
        return Ok((call, names.engine));
    }
    let sampling_params = match wrapped_sampling {
        None => sampling(&mut request, engine)?,
        Some(words) => sampling_in_words(words, &request, engine)?,
    };
    let asked =
        OutputOptions { logprobs: request.output_options.logprobs.take(), ..Default::default() };
    let body = GenerateBody {
        sampling_params: SamplingParams { n: Some(1), max_new_tokens: Some(1), ..sampling_params },
        logprobs: LogprobOptions::from_request(&asked),
        bootstrap: Some(bootstrap),
        return_routed_experts: None,
        ..GenerateBody::new(incoming, &request, &media, engine)?
    };
    Ok((body.into_call(incoming, engine)?, incoming.fresh.request_id.clone()))
}

/// What chooses the first token, from which the decode engine goes on. When to stop is its business.
fn sampling(request: &mut GenerateRequest, engine: &Engine) -> Result<SamplingParams> {
    let budget = request.stop_conditions.max_thinking_tokens.take();
    request.stop_conditions =
        StopConditions { max_thinking_tokens: budget, ..StopConditions::default() };
    let mut params = SamplingParams::from_request(request, engine)?;
    params.custom_params = thinking::budget(request, params.constraint.as_ref(), engine)?
        .map(|thinking_budget| CustomParams { thinking_budget });
    Ok(params)
}

/// The same from SGLang's own words around a request.
fn sampling_in_words(
    mut words: Map<String, Json>,
    request: &GenerateRequest,
    engine: &Engine,
) -> Result<SamplingParams> {
    for ours in ["n", "max_new_tokens"] {
        words.remove(ours);
    }
    let schema = words.get("json_schema").and_then(Json::as_str);
    let constraint = schema.map(|schema| Constraint::JsonSchema(schema.to_owned()));
    if let Some(budget) = thinking::budget(request, constraint.as_ref(), engine)? {
        let custom = words.entry("custom_params").or_insert(Json::Null);
        if !custom.is_object() {
            *custom = json!({});
        }
        custom["thinking_budget"] = budget.into();
    }
    Ok(SamplingParams { others: words, ..SamplingParams::default() })
}
