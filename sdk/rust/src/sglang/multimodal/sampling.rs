//! How a multimodal worker asks its engine to choose tokens.

use serde_json::{Map, Value};

use super::request::Preprocessed;
use crate::Result;
use crate::protocol::{GenerateRequest, SamplingOptions, StopConditions};
use crate::sglang::{Engine, thinking};

/// SGLang's `sampling_params`, of which Dynamo's worker knows only a few. Limits that are zero, and a
/// flag that is false, are left out, and so SGLang's own default of 128 tokens holds without a limit.
///
/// # Errors
/// Those of [`thinking::budget`].
pub fn sampling_params(request: &Preprocessed, engine: &Engine) -> Result<Map<String, Value>> {
    let (stops, options) = (&request.stop_conditions, &request.sampling_options);
    let some = |tokens: Option<u32>| tokens.filter(|tokens| *tokens > 0).map(Value::from);
    let number = |number: &Option<serde_json::Number>| number.clone().map(Value::Number);
    // An engine that gets text can look for text.
    let stop = stops.stop.as_ref().filter(|stop| request.prompt.is_some() && !stop.is_empty());
    let members = [
        ("temperature", number(&options.temperature)),
        ("top_p", number(&options.top_p)),
        ("top_k", number(&options.top_k)),
        ("n", options.n.map(Value::from)),
        ("max_new_tokens", some(stops.max_tokens)),
        ("min_new_tokens", some(stops.min_tokens)),
        ("ignore_eos", stops.ignore_eos.filter(|ignore| *ignore).map(Value::from)),
        ("stop", stop.map(|stop| stop.as_slice().into())),
    ];
    let mut params: Map<_, _> =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    hold_to_budget(request, &mut params, engine)?;
    Ok(params)
}

/// Adds the request's thinking budget to sampling parameters, its own or those it came with.
///
/// # Errors
/// Those of [`thinking::budget`]; one of them is a budget that is in the parameters already.
pub fn hold_to_budget(
    request: &Preprocessed,
    params: &mut Map<String, Value>,
    engine: &Engine,
) -> Result<()> {
    let mut asked = generate_request(request);
    asked.sampling_options.custom_params = params.get("custom_params").cloned();
    if let Some(budget) = thinking::budget(&asked, None, engine)? {
        let custom = params.entry("custom_params").or_insert(Value::Null);
        if !custom.is_object() {
            *custom = Value::Object(Map::new());
        }
        custom["thinking_budget"] = budget.into();
    }
    Ok(())
}

/// The request where checks of other workers look.
pub fn generate_request(request: &Preprocessed) -> GenerateRequest {
    GenerateRequest {
        sampling_options: SamplingOptions {
            n: request.sampling_options.n,
            ..SamplingOptions::default()
        },
        stop_conditions: StopConditions {
            max_thinking_tokens: request.stop_conditions.max_thinking_tokens.clone(),
            ..StopConditions::default()
        },
        require_reasoning: Some(request.require_reasoning.into()),
        ..GenerateRequest::default()
    }
}
