//! A case file, format 1. `tests/cases/README.md` is its reference for authors; this is its form.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dynamo_host_failure::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::check_patterns;
use crate::values;

/// The one format this crate reads.
const FORMAT: u32 = 1;

/// A case file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a case.
    #[error("{path}: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where in the file.
        reason: String,
    },
}

/// One case: what is given and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    format: u32,
    /// What the report calls the case.
    pub name: String,
    /// Where the expectation comes from. For people.
    #[serde(default, rename = "source")]
    _source: Option<String>,
    /// For people.
    #[serde(default, rename = "notes")]
    _notes: Option<String>,
    /// Members for which null is not the same as absent.
    #[serde(default)]
    pub strict_null: Vec<String>,

    /// The operator's settings.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the engine said about itself.
    #[serde(default)]
    pub engine: Engine,
    /// LoRA adapters that are loaded; none if the operator has not enabled adapters.
    #[serde(default = "no_adapter")]
    pub adapters: Option<Vec<String>>,
    /// The values the host draws for the request.
    #[serde(default)]
    pub fresh: Fresh,
    /// What the host knows before there is an engine.
    pub start: Option<Start>,
    /// The request.
    pub request: Option<Value>,
    /// What surrounds the request.
    #[serde(default)]
    pub context: Context,

    /// Calls of the engine that must come, in order, with their scripted answers.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    /// Calls that must follow `exchanges`, whose answers nobody reads.
    #[serde(default)]
    pub aborts: Vec<Call>,
    /// The chunks of the response; not looked at if absent.
    pub chunks: Option<Value>,
    /// The failure that must end the request, or the `configure` or `prepare` before it.
    pub error: Option<Error>,

    /// Calls of the plugin's own routes, in order.
    #[serde(default)]
    pub routes: Vec<RouteCall>,

    /// What `prepare` must answer.
    pub setup: Option<Value>,
    /// The registration `configure` must answer.
    pub registration: Option<Value>,
    /// The health check `configure` must answer.
    pub health_check: Option<Value>,
    /// What `configure` must answer: the requests to warm up with.
    pub warm_up: Option<Value>,
}

/// A call of one of the plugin's own routes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteCall {
    /// The route.
    pub path: String,
    /// What it is sent.
    #[serde(default = "empty_object")]
    pub body: Value,
    /// What it must answer.
    pub answer: Value,
}

fn empty_object() -> Value {
    Value::Object(Default::default())
}

fn no_adapter() -> Option<Vec<String>> {
    Some(Vec::new())
}

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
}

impl Default for Start {
    fn default() -> Self {
        Start {
            model_path: None,
            served_name: None,
            arguments: Vec::new(),
            host: "127.0.0.1".into(),
            port: 30_000,
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

/// One call that must come, and what it is answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What must come; anything if absent.
    #[serde(default)]
    pub call: Call,
    /// The answer.
    pub reply: Reply,
}

/// What a call must look like. What is absent is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method.
    pub method: Option<String>,
    /// Path and query.
    pub path: Option<String>,
    /// Headers among those it must have.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// Names of headers it must not have.
    #[serde(default)]
    pub without_headers: Vec<String>,
    /// The body, as JSON. A body that is not JSON is a string, no body an empty one.
    pub body: Option<Value>,
}

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// A line an event.
    Ndjson,
    /// The body is the event.
    Whole,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// As it should.
    #[default]
    Complete,
    /// The connection closes before the end.
    Broken,
}

/// What the engine answers: `body`, or `framing` and `events`, or nothing at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The HTTP status.
    #[serde(default = "ok")]
    pub status: u16,
    /// How the plugin must have asked for the answer to be cut.
    pub framing: Option<Framing>,
    /// The events: strings as they are, other values as compact JSON.
    pub events: Option<Vec<Value>>,
    /// The whole body: a string as it is, another value as compact JSON.
    pub body: Option<Value>,
    /// How the answer ends.
    #[serde(default)]
    pub end: End,
    /// The engine cannot be reached.
    #[serde(default)]
    pub unreachable: bool,
}

fn ok() -> u16 {
    200
}

/// The failure that must come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Error {
    /// Dynamo's error class.
    pub class: String,
    /// Whether the client may read the message; not looked at if absent.
    pub public: Option<bool>,
    /// Part of the message.
    pub message_contains: Option<String>,
}

impl Case {
    /// Reads the case in `path`.
    ///
    /// # Errors
    /// [`CaseError`] names the file and the place in it.
    pub fn load(path: &Path) -> Result<Case, CaseError> {
        let text = fs::read_to_string(path)
            .map_err(|source| CaseError::Unreadable { path: path.to_owned(), source })?;
        Case::parse(&text).map_err(|reason| CaseError::Malformed { path: path.to_owned(), reason })
    }

    /// Reads a case from the text of its file.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Case, String> {
        let mut document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !document.is_object() {
            return Err("a case is a JSON object".into());
        }
        let fresh = match document.get("fresh") {
            Some(fresh) => Fresh::deserialize(fresh).map_err(|error| format!("fresh: {error}"))?,
            None => Fresh::default(),
        };
        fill(&mut document, &fresh.request_id);
        let case: Case =
            serde_path_to_error::deserialize(&document).map_err(|error| {
                match error.path().to_string().as_str() {
                    "." => error.inner().to_string(),
                    place => format!("{place}: {}", error.inner()),
                }
            })?;
        case.validate()?;
        Ok(case)
    }

    /// Whether the case asks the plugin how its engine is started.
    pub fn prepares(&self) -> bool {
        self.start.is_some() || self.setup.is_some()
    }

    /// Whether the case has the plugin meet an engine.
    pub fn configures(&self) -> bool {
        let looks = [&self.request, &self.registration, &self.health_check, &self.warm_up];
        looks.into_iter().any(Option::is_some) || !self.routes.is_empty() || !self.prepares()
    }

    fn validate(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format: this is {}, and {FORMAT} can be read", self.format));
        }
        if self.name.is_empty() || self.name.contains(char::is_whitespace) {
            return Err("name: must not be empty or have white space".into());
        }
        let looks =
            [&self.request, &self.registration, &self.health_check, &self.warm_up, &self.setup];
        if looks.into_iter().all(Option::is_none) && self.routes.is_empty() && self.error.is_none()
        {
            return Err("checks nothing: it has no `request`, `setup`, `registration`, \
                        `health_check`, `warm_up`, `routes` or `error`"
                .into());
        }
        match &self.request {
            Some(Value::Object(_)) => {}
            Some(_) => return Err("request: must be an object".into()),
            None if self.chunks.is_some() || !self.aborts.is_empty() => {
                return Err("`aborts` and `chunks` need a `request`".into());
            }
            None if !self.exchanges.is_empty() && self.routes.is_empty() => {
                return Err("`exchanges` need a `request` or `routes`".into());
            }
            None => {}
        }
        if let Some(request) = &self.request {
            values::to_msgpack(request).map_err(|why| format!("request: {why}"))?;
        }
        if let Some(error) = &self.error
            && Kind::from_class(&error.class).is_none()
        {
            let classes: Vec<_> = Kind::ALL.iter().map(|kind| kind.class()).collect();
            return Err(format!("error.class: must be one of {}", classes.join(", ")));
        }
        for (i, exchange) in self.exchanges.iter().enumerate() {
            exchange.call.validate(&format!("exchanges[{i}].call"))?;
            exchange.reply.validate().map_err(|why| format!("exchanges[{i}].reply: {why}"))?;
        }
        for (i, abort) in self.aborts.iter().enumerate() {
            abort.validate(&format!("aborts[{i}]"))?;
        }
        let documents = [
            ("chunks", &self.chunks),
            ("setup", &self.setup),
            ("registration", &self.registration),
            ("health_check", &self.health_check),
            ("warm_up", &self.warm_up),
        ];
        for (i, route) in self.routes.iter().enumerate() {
            check_patterns(&format!("routes[{i}].answer"), &route.answer)?;
        }
        for (name, document) in documents {
            document.iter().try_for_each(|document| check_patterns(name, document))?;
        }
        Ok(())
    }
}

impl Call {
    fn validate(&self, at: &str) -> Result<(), String> {
        for (name, value) in &self.headers {
            check_patterns(&format!("{at}.headers.{name}"), value)?;
        }
        self.body.iter().try_for_each(|body| check_patterns(&format!("{at}.body"), body))
    }
}

impl Reply {
    fn validate(&self) -> Result<(), String> {
        let ways = [self.unreachable, self.body.is_some(), self.events.is_some()];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            return Err("must have one of `body`, `events` and `unreachable`".into());
        }
        if self.events.is_some() != self.framing.is_some_and(|f| f != Framing::Whole) {
            return Err("`events` and a `framing` of `sse` or `ndjson` go together".into());
        }
        if !(100..=599).contains(&self.status) {
            return Err(format!("status: {} is not an HTTP status", self.status));
        }
        Ok(())
    }
}

/// Writes the drawn request id for `<rid>`, in every string of the case.
fn fill(value: &mut Value, request_id: &str) {
    match value {
        Value::String(text) if text.contains("<rid>") => *text = text.replace("<rid>", request_id),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, request_id)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, request_id)),
        _ => {}
    }
}

#[cfg(test)]
#[path = "case_tests.rs"]
mod tests;
