//! Native tests of a plugin: no component, no host, only `cargo test`.
//!
//! What needs the real runtime (limits, imports, framing) is what `dynamo-host check` is for.

use serde_json::Value;

use crate::media::Blob;
use crate::{
    Chunks, Converter, EngineReport, Error, Flow, Fresh, Plan, Prompt, Request, Result, Worker,
};

/// An engine report that answers `path` with `answer`.
pub fn engine_report(path: &str, answer: &Value) -> EngineReport {
    EngineReport {
        model_path: "test-model".into(),
        served_name: "test-model".into(),
        address: "127.0.0.1".into(),
        answers: vec![(path.into(), answer.to_string().into_bytes())],
        files: Vec::new(),
    }
}

/// A medium to hand to a converter. What the real host does with one (storing it, writing it into
/// chunks and calls) is for `dynamo-host check`.
pub fn blob(content_type: &str, bytes: &[u8]) -> Blob {
    Blob::here(content_type, bytes)
}

/// `body` as the host hands it over: without its `token_ids`, which become the prompt.
///
/// # Errors
/// `token_ids` that are none, which the host refuses before a plugin sees them.
pub fn request(mut body: Value) -> Result<(Request, Vec<u32>)> {
    let ids = body.as_object_mut().and_then(|members| members.remove("token_ids"));
    let ids: Option<Vec<u32>> = ids.map(serde_json::from_value).transpose()?;
    let request = Request {
        id: "test".into(),
        body: body.to_string().into_bytes(),
        token_count: ids.as_ref().map(|ids| ids.len() as u32),
        trace_headers: Vec::new(),
        adapters: Vec::new(),
        probe: false,
        fresh: Fresh {
            request_id: "0123456789abcdef0123456789abcdef".into(),
            bootstrap_room: 4_242_424_242_424_242,
            seed: 123_456,
            unix_millis: 1_700_000_000_000,
        },
    };
    Ok((request, ids.unwrap_or_default()))
}

/// Plans `body` as the host would have it planned.
///
/// # Errors
/// As [`request`], and the plugin's.
pub fn plan<W: Worker>(worker: &W, body: Value) -> Result<Plan<W::Converter>> {
    let (request, ids) = request(body)?;
    worker.plan(&request, &Prompt::List(&ids))
}

/// What a converter made of a list of events.
#[derive(Debug)]
pub struct Converted {
    /// The response chunks.
    pub chunks: Vec<Value>,
    /// How it ended early, if it did.
    pub error: Option<Error>,
}

/// Runs events, then the end, through a converter.
pub fn convert(converter: &mut impl Converter, events: &[&str]) -> Converted {
    let mut chunks = Chunks::default();
    let mut outcome = Ok(Flow::Continue);
    for event in events {
        outcome = converter.event(event.as_bytes(), &mut chunks);
        if !matches!(outcome, Ok(Flow::Continue)) {
            break;
        }
    }
    let error = match outcome {
        Ok(Flow::Continue) => converter.finish(&mut chunks).err(),
        Ok(Flow::Done | Flow::Then(_)) => None,
        Err(error) => Some(error),
    };
    let chunks = chunks
        .into_encoded()
        .iter()
        .map(|bytes| rmp_serde::from_slice(bytes).unwrap_or(Value::Null))
        .collect();
    Converted { chunks, error }
}
