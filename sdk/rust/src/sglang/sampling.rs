//! SGLang's `sampling_params`.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::Engine;
use super::guided::{self, Constraint};
use crate::Result;
use crate::protocol::{GenerateRequest, StopConditions};

/// SGLang's `sampling_params`. What the request leaves open is left to the engine, except
/// `max_new_tokens`: absent it would mean 128, null means no limit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SamplingParams {
    /// How many choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// The token limit.
    pub max_new_tokens: Option<u32>,
    /// No end before so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_new_tokens: Option<u32>,
    /// Whether to go on past the end of the sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    /// Tokens to stop at.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub stop_token_ids: BTreeSet<u32>,
    /// Penalty for tokens that occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<Number>,
    /// Penalty by how often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<Number>,
    /// Multiplicative penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<Number>,
    /// Temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    /// Probability mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Number>,
    /// How many of the likeliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<Number>,
    /// Smallest relative probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<Number>,
    /// Seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_seed: Option<Number>,
    /// `json_schema`, `regex`, `ebnf` or `structural_tag`.
    #[serde(flatten)]
    pub constraint: Option<Constraint>,
    /// Parameters of SGLang's own logit processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_params: Option<CustomParams>,
    /// Others, in SGLang's own words.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// Parameters of SGLang's own logit processors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomParams {
    /// At most so many tokens of thinking.
    pub thinking_budget: u32,
}

impl SamplingParams {
    /// What a tokens request asks for, less its thinking budget. Stop strings are not in it: the
    /// frontend, which has the text, enforces them.
    ///
    /// # Errors
    /// Those of [`guided::constraint`].
    pub fn from_request(request: &mut GenerateRequest, engine: &Engine) -> Result<Self> {
        let constraint = guided::constraint(request.sampling_options.guided_decoding.as_ref())?;
        let options = &mut request.sampling_options;
        Ok(SamplingParams {
            n: options.n,
            presence_penalty: options.presence_penalty.take(),
            frequency_penalty: options.frequency_penalty.take(),
            repetition_penalty: options.repetition_penalty.take(),
            temperature: options.temperature.take(),
            top_p: options.top_p.take(),
            top_k: options.top_k.take(),
            min_p: options.min_p.take(),
            sampling_seed: options.seed.take(),
            constraint,
            ..Self::stopping(&request.stop_conditions, engine)
        })
    }

    fn stopping(stop: &StopConditions, engine: &Engine) -> Self {
        let mut params = SamplingParams { max_new_tokens: stop.max_tokens, ..Self::default() };
        if engine.skip_tokenizer_init && stop.min_tokens.is_some_and(|tokens| tokens > 0) {
            // Without a tokenizer the engine cannot hold back the end of the sequence. The frontend
            // keeps count instead, so the engine must not stop by itself.
            params.ignore_eos = Some(true);
        } else {
            params.min_new_tokens = stop.min_tokens;
            params.ignore_eos = stop.ignore_eos;
            params.stop_token_ids =
                stop.stop_token_ids.iter().chain(&stop.stop_token_ids_hidden).copied().collect();
        }
        params
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn params(request: Value, engine: &Engine) -> Value {
        let mut request = serde_json::from_value(request).unwrap();
        serde_json::to_value(SamplingParams::from_request(&mut request, engine).unwrap()).unwrap()
    }

    #[test]
    fn the_limit_is_always_said() {
        assert_eq!(params(json!({}), &Engine::default()), json!({"max_new_tokens": null}));
    }

    #[test]
    fn numbers_pass_unchanged() {
        let request = json!({
            "sampling_options": {"temperature": 0.0, "top_k": -1, "seed": i64::MIN, "min_p": 0},
            "stop_conditions": {"max_tokens": 0, "min_tokens": 0, "ignore_eos": false},
        });
        assert_eq!(
            params(request, &Engine::default()),
            json!({
                "max_new_tokens": 0, "min_new_tokens": 0, "ignore_eos": false,
                "temperature": 0.0, "top_k": -1, "min_p": 0, "sampling_seed": i64::MIN,
            })
        );
    }

    #[test]
    fn without_a_tokenizer_the_frontend_keeps_the_minimum() {
        let engine = Engine { skip_tokenizer_init: true, ..Engine::default() };
        let stop = |min: u32| {
            json!({"stop_conditions": {
                "max_tokens": 9, "min_tokens": min, "ignore_eos": false, "stop_token_ids_hidden": [2],
            }})
        };
        assert_eq!(params(stop(3), &engine), json!({"max_new_tokens": 9, "ignore_eos": true}));
        assert_eq!(
            params(stop(0), &engine),
            json!({
                "max_new_tokens": 9, "min_new_tokens": 0, "ignore_eos": false,
                "stop_token_ids": [2],
            })
        );
    }

    #[test]
    fn a_constraint_stands_among_the_rest() {
        let request = json!({"sampling_options": {"guided_decoding": {"regex": "a"}}});
        assert_eq!(
            params(request, &Engine::default()),
            json!({"max_new_tokens": null, "regex": "a"})
        );
    }
}
