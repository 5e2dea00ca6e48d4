//! What a case gives: the engine's report, drawn values, the surroundings of the request.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What the engine said about itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// `--model-path`.
    pub model_path: String,
    /// The name clients ask for; the model path if empty.
    pub served_name: String,
    /// Under which other workers reach the machine.
    pub address: String,
    /// Answers by path.
    pub answers: BTreeMap<String, Value>,
    /// Files of the model by name.
    pub files: BTreeMap<String, Value>,
}

impl Default for Engine {
    fn default() -> Self {
        Engine {
            model_path: String::new(),
            served_name: String::new(),
            address: "127.0.0.1".into(),
            answers: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// The values the host draws for a request: fixed here, so that a case comes out the same each time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fresh {
    /// The engine's request id: `<rid>` in the rest of the case.
    pub request_id: String,
    /// A room for prefill and decode to meet in.
    pub bootstrap_room: u64,
    /// A seed.
    pub seed: u32,
    /// Milliseconds since 1970.
    pub unix_millis: u64,
}

impl Default for Fresh {
    /// What the recorded vectors of Dynamo's own workers hold in these places.
    fn default() -> Self {
        Fresh {
            request_id: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            bootstrap_room: 4_242_424_242_424_242,
            seed: 123_456,
            unix_millis: 1_700_000_000_000,
        }
    }
}

/// What `prepare` is told, beside the settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// `--model-path`.
    pub model_path: Option<String>,
    /// `--served-model-name`.
    pub served_name: Option<String>,
    /// The operator's flags that are not the host's.
    pub arguments: Vec<String>,
    /// Where the engine must listen.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// The directory for the engine's files.
    pub scratch: String,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            model_path: None,
            served_name: None,
            arguments: Vec::new(),
            host: "127.0.0.1".into(),
            port: 30_000,
            scratch: "/scratch".into(),
        }
    }
}

/// What surrounds a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// Dynamo's id of the request.
    pub id: String,
    /// W3C trace headers.
    pub trace_headers: BTreeMap<String, String>,
    /// Whether it is the host's health check.
    pub probe: bool,
    /// The client leaves once it has this many chunks.
    pub cancel_after_chunks: Option<usize>,
    /// Whether the worker is going away.
    pub shutting_down: bool,
}

impl Default for Context {
    fn default() -> Self {
        Context {
            id: "request-1".into(),
            trace_headers: BTreeMap::new(),
            probe: false,
            cancel_after_chunks: None,
            shutting_down: false,
        }
    }
}
