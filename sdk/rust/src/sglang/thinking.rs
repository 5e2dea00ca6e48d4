//! Budgets for thinking: how many tokens a reasoning model may spend before it must answer.
//!
//! Mirrors Dynamo's `thinking_budget.py`. Two of its checks cannot be made from outside the engine
//! (whether the parser's filter is active, and which parser `auto` became); there the engine has the
//! last word.

use serde_json::Value;

use super::Engine;
use super::guided::Constraint;
use crate::protocol::GenerateRequest;
use crate::{Error, Result};

/// The budget to give the engine: none if the request has none, or does not think.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), public, for a budget in the wrong place or of the wrong
/// type, and where this engine cannot keep one.
pub fn budget(
    request: &GenerateRequest,
    constraint: Option<&Constraint>,
    engine: &Engine,
) -> Result<Option<u32>> {
    let refuse = |why: &str| Err(Error::invalid_request(why));
    let Some(asked_anywhere) = asked(request) else {
        if carries_budget(&request.custom_params)
            || carries_budget(&request.sampling_options.custom_params)
        {
            return refuse("custom_params.thinking_budget: use nvext.max_thinking_tokens instead");
        }
        return Ok(None);
    };
    let Some(budget) = asked_anywhere.as_u64().and_then(|tokens| u32::try_from(tokens).ok()) else {
        return refuse("max_thinking_tokens: not an integer from 0 to 4294967295");
    };
    if given(&request.stop_conditions.max_thinking_tokens).is_none() {
        return refuse(
            "max_thinking_tokens: the frontend did not pass it on as a stop condition; it is too \
             old for thinking budgets",
        );
    }
    if !engine.strict_thinking {
        return refuse("max_thinking_tokens: the engine runs without --enable-strict-thinking");
    }
    let Some(parser) = &engine.reasoning_parser else {
        return refuse("max_thinking_tokens: the engine runs without --reasoning-parser");
    };
    if engine.skip_tokenizer_init {
        return refuse("max_thinking_tokens: the engine runs with --skip-tokenizer-init");
    }
    if parser == "gpt-oss" && matches!(constraint, Some(Constraint::JsonSchema(_))) {
        return refuse("max_thinking_tokens: not together with a JSON schema on gpt-oss models");
    }
    match &request.require_reasoning {
        None | Some(Value::Bool(false)) => return Ok(None),
        Some(Value::Bool(true)) => {}
        Some(_) => return refuse("require_reasoning: neither true nor false"),
    }
    if given(&request.custom_logit_processor).is_some() {
        return refuse("max_thinking_tokens: not together with a custom_logit_processor");
    }
    if !engine.capabilities.require_reasoning {
        return refuse("max_thinking_tokens: this version of the engine knows no reasoning gate");
    }
    Ok(Some(budget))
}

/// What the request says about a budget, in any place.
pub fn asked(request: &GenerateRequest) -> Option<&Value> {
    given(&request.stop_conditions.max_thinking_tokens)
        .or_else(|| given(&request.thinking_token_budget))
        .or_else(|| given(&request.nvext.max_thinking_tokens))
}

fn given(value: &Option<Value>) -> Option<&Value> {
    value.as_ref().filter(|value| !value.is_null())
}

fn carries_budget(params: &Option<Value>) -> bool {
    params.as_ref().is_some_and(|params| !params["thinking_budget"].is_null())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::Kind;

    fn thinking() -> Engine {
        Engine {
            strict_thinking: true,
            reasoning_parser: Some("qwen3".into()),
            ..Engine::default()
        }
    }

    fn of(request: Value, engine: &Engine) -> Result<Option<u32>> {
        budget(&serde_json::from_value(request).unwrap(), None, engine)
    }

    fn refused(request: Value, engine: &Engine) {
        let failure = of(request, engine).unwrap_err().into_failure();
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(failure.public);
    }

    #[test]
    fn only_for_requests_that_think() {
        let stop = json!({"max_thinking_tokens": 5});
        let request = json!({"stop_conditions": stop, "require_reasoning": true});
        assert_eq!(of(request, &thinking()).unwrap(), Some(5));
        assert_eq!(of(json!({"stop_conditions": stop}), &thinking()).unwrap(), None);
        assert_eq!(of(json!({}), &Engine::default()).unwrap(), None);
    }

    #[test]
    fn wrong_places_and_types() {
        for request in [
            json!({"thinking_token_budget": 5}),
            json!({"nvext": {"max_thinking_tokens": 5}}),
            json!({"custom_params": {"thinking_budget": 5}}),
            json!({"stop_conditions": {"max_thinking_tokens": true}}),
            json!({"stop_conditions": {"max_thinking_tokens": 4_294_967_296_u64}}),
            json!({"stop_conditions": {"max_thinking_tokens": 1.5}}),
            json!({"stop_conditions": {"max_thinking_tokens": "5"}}),
            json!({"stop_conditions": {"max_thinking_tokens": 5}, "require_reasoning": null}),
            json!({"stop_conditions": {"max_thinking_tokens": 5}, "require_reasoning": 1}),
        ] {
            refused(request, &thinking());
        }
    }

    #[test]
    fn engines_that_cannot() {
        let request =
            json!({"stop_conditions": {"max_thinking_tokens": 5}, "require_reasoning": true});
        refused(request.clone(), &Engine::default());
        refused(request.clone(), &Engine { reasoning_parser: None, ..thinking() });
        refused(request.clone(), &Engine { skip_tokenizer_init: true, ..thinking() });
        let old = crate::sglang::Capabilities::from_names(&[]);
        refused(request, &Engine { capabilities: old, ..thinking() });
    }
}
