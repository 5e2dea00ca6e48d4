//! SGLang's `/encode`: what workers share whose engine computes something about a text instead of
//! going on with it. Such an engine runs with `--is-embedding`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::errors::refused;
use super::registration::{RuntimeConfig, kv_cache_block_size};
use super::{ModelConfig, ServerInfo, Settings, disagg, launch};
use crate::{
    Call, EngineReport, Error, Input, Kind, Registration, Request, Result, Setup, Start,
    parse_event,
};

/// Flags that would make another kind of worker of the engine, and what they may say nevertheless.
const OTHER_KINDS: [(&str, Option<&str>); 2] =
    [("--disaggregation-mode", Some("null")), ("--dllm-algorithm", None)];

/// How to start the engine. `flags` are what the worker type depends on, beside `--is-embedding`;
/// they win over the operator's.
///
/// # Errors
/// Those of [`launch::setup`], and [`Kind::InvalidRequest`] for flags that ask for another kind of
/// engine.
pub fn setup<const N: usize>(mut start: Start, flags: [&str; N]) -> Result<Setup> {
    for (flag, harmless) in OTHER_KINDS {
        let given = launch::value_of(&start.arguments, flag);
        if let Some(value) = given.filter(|value| Some(*value) != harmless) {
            return Err(Error::invalid_request(format!(
                "{flag} {value}: this worker type runs the engine with --is-embedding, and the two \
                 do not go together"
            )));
        }
    }
    start.arguments.push("--is-embedding".into());
    start.arguments.extend(flags.map(String::from));
    launch::setup(start)
}

/// The engine, as requests see it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Encoder {
    /// It takes trace headers.
    trace: bool,
    /// How many token ids its model has. None if nobody said.
    vocabulary: Option<u32>,
}

impl Encoder {
    /// The engine that made `report`, and the registration of the worker that serves `model_type`
    /// with it.
    ///
    /// # Errors
    /// [`Kind::NotImplemented`] for an engine of another kind; those of
    /// [`ServerInfo::from_report`].
    pub fn configure(
        settings: &Settings,
        report: &EngineReport,
        model_type: &str,
    ) -> Result<(Self, Registration)> {
        let server = ServerInfo::from_report(report)?;
        disagg::check_mode(&server, &["null"])?;
        if server.is_embedding == Some(false) {
            return Err(Error::new(
                Kind::NotImplemented,
                "the engine generates text; for this worker type start it with --is-embedding",
            ));
        }
        let model = ModelConfig::from_report(report)?;
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        let mut registration =
            Registration::aggregated([model_type], Input::Text).runtime_config(&config)?;
        registration.kv_cache_block_size = kv_cache_block_size(&server);
        let trace = server.enable_trace == Some(true);
        Ok((Encoder { trace, vocabulary: model.vocab_size }, registration))
    }

    /// Checks token ids of the client's, which stand at `member` of the request: below the size of
    /// the vocabulary. SGLang 0.5.23 ends over an id beyond it.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], naming the id.
    pub fn check_token_ids(&self, member: &str, ids: &[u32]) -> Result<()> {
        let Some(size) = self.vocabulary else { return Ok(()) };
        match ids.iter().find(|id| **id >= size) {
            Some(id) => Err(refused(format!(
                "{member}: {id} is not below {size}, the size of the model's vocabulary"
            ))),
            None => Ok(()),
        }
    }

    /// `POST /encode`. Its answer is one event, for [`results`].
    ///
    /// # Errors
    /// If the body does not serialize.
    pub fn call(&self, incoming: &Request, body: &impl Serialize) -> Result<Call> {
        let call = Call::post("/encode", body)?;
        Ok(if self.trace { call.headers(&incoming.trace_headers) } else { call })
    }
}

/// A request's body.
///
/// # Errors
/// [`Kind::InvalidRequest`], naming the member that does not fit. Unlike in requests for tokens the
/// text is for the log only: Dynamo checks these bodies with Pydantic and reports no more than that
/// they were wrong.
pub fn parse<T: DeserializeOwned>(incoming: &Request) -> Result<T> {
    incoming.parse().map_err(|error| refused(error.into_failure().message))
}

/// The engine's ids for a batch: one for each item, fresh and therefore nobody else's.
pub fn batch_ids(incoming: &Request, count: usize) -> Vec<String> {
    (0..count).map(|item| format!("{}-{item}", incoming.fresh.request_id)).collect()
}

/// The results in an answer: a list for a batch, an object for a single input.
///
/// # Errors
/// [`Kind::BackendProtocol`] for anything else.
pub fn results<T: DeserializeOwned>(answer: &[u8]) -> Result<Vec<T>> {
    // Looked at before it is parsed: an untagged enum would first make a tree of all the numbers.
    if answer.trim_ascii_start().starts_with(b"[") {
        parse_event(answer)
    } else {
        Ok(vec![parse_event(answer)?])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn start(words: &[&str]) -> Start {
        Start {
            settings: b"{}".to_vec(),
            model_path: Some("m".into()),
            served_name: None,
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
            host: "127.0.0.1".into(),
            port: 28200,
            scratch: "/scratch".into(),
        }
    }

    #[test]
    fn what_the_worker_needs_comes_after_the_operators_words() {
        let setup = setup(start(&["--page-size=16"]), ["--chunked-prefill-size", "-1"]).unwrap();
        let words = setup.arguments.join(" ");
        assert!(words.contains("--page-size=16 --is-embedding --chunked-prefill-size -1"));
    }

    #[test]
    fn engines_of_other_kinds() {
        for words in [&["--disaggregation-mode", "prefill"][..], &["--dllm-algorithm=x"]] {
            let error = super::setup(start(words), []).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidRequest);
        }
        assert!(super::setup(start(&["--disaggregation-mode", "null"]), []).is_ok());
        for info in [json!({"is_embedding": false}), json!({"disaggregation_mode": "decode"})] {
            let report = testing::engine_report("/server_info", &info);
            let error = Encoder::configure(&Settings::default(), &report, "embedding").unwrap_err();
            assert_eq!(error.kind(), Kind::NotImplemented);
        }
    }

    #[test]
    fn one_and_many() {
        assert_eq!(results::<Value>(b"{}").unwrap(), [json!({})]);
        assert_eq!(results::<Value>(b"\n [1, 2]").unwrap(), [json!(1), json!(2)]);
        assert!(results::<Value>(b"").is_err());
    }
}
