//! A case file, format 1. `tests/cases/README.md` is its reference for authors; this is its form.

mod exchange;
mod given;

use std::fs;
use std::path::{Path, PathBuf};

use dynamo_host_failure::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::check_patterns;
use crate::values;

pub use exchange::{Call, End, Error, Exchange, Framing, Medium, Reply};
pub use given::{Context, Engine, Fresh, Start};

/// The one format this crate reads.
const FORMAT: u32 = 1;

/// Longest id of a request, in bytes. It may stand in a case as often as its author likes, and the
/// author may be one that nobody trusts.
const LONGEST_ID: usize = 128;

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

    /// Reasons why the worker is out of discovery.
    #[serde(default)]
    pub away: Vec<String>,
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
    /// What it must answer; absent if it must fail, with the case's `error`.
    pub answer: Option<Value>,
}

fn empty_object() -> Value {
    Value::Object(Default::default())
}

fn no_adapter() -> Option<Vec<String>> {
    Some(Vec::new())
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
        Case::of(serde_json::from_str(text).map_err(|error| error.to_string())?)
    }

    /// Reads a case from its document.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn of(mut document: Value) -> Result<Case, String> {
        if !document.is_object() {
            return Err("a case is a JSON object".into());
        }
        let fresh = match document.get("fresh") {
            Some(fresh) => Fresh::deserialize(fresh).map_err(|error| format!("fresh: {error}"))?,
            None => Fresh::default(),
        };
        if fresh.request_id.len() > LONGEST_ID {
            return Err(format!("fresh.request_id: is longer than {LONGEST_ID} bytes"));
        }
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
            if let Some(answer) = &route.answer {
                check_patterns(&format!("routes[{i}].answer"), answer)?;
            }
        }
        for (name, document) in documents {
            document.iter().try_for_each(|document| check_patterns(name, document))?;
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
mod tests;
