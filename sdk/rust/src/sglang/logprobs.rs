//! Which log probabilities to ask the engine for.

use serde::Serialize;

use super::python;
use crate::protocol::OutputOptions;

/// SGLang's members for log probabilities; all absent if none are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogprobOptions {
    /// Whether to report any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_logprob: Option<bool>,
    /// How many alternatives at each position. One number for prompt and answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs_num: Option<i64>,
    /// The position of the prompt to report from; absent for the answer alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob_start_len: Option<u32>,
}

impl LogprobOptions {
    /// What `output_options` asks for. Counts are read as Python's `int()` reads them; what it
    /// cannot read, and negative counts, ask for nothing.
    pub fn from_request(options: &OutputOptions) -> Self {
        let count = |value: Option<_>| value.and_then(python::int).filter(|count| *count >= 0);
        let answer = count(options.logprobs.as_ref());
        let prompt = count(options.prompt_logprobs.as_ref());
        LogprobOptions {
            return_logprob: (answer.is_some() || prompt.is_some()).then_some(true),
            top_logprobs_num: answer.max(prompt),
            logprob_start_len: prompt.map(|_| 0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn options(request: Value) -> Value {
        let options = serde_json::from_value(request).unwrap();
        serde_json::to_value(LogprobOptions::from_request(&options)).unwrap()
    }

    #[test]
    fn counts() {
        assert_eq!(options(json!({})), json!({}));
        assert_eq!(
            options(json!({"logprobs": 0})),
            json!({"return_logprob": true, "top_logprobs_num": 0})
        );
        assert_eq!(
            options(json!({"logprobs": "3", "prompt_logprobs": 1})),
            json!({"return_logprob": true, "top_logprobs_num": 3, "logprob_start_len": 0})
        );
        for none in [json!(""), json!(-1), json!("many"), json!(null), json!([2])] {
            assert_eq!(options(json!({"logprobs": none})), json!({}));
        }
    }
}
