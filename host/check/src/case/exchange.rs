//! What must pass between plugin and engine, and how it may fail.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::compare::check_patterns;

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
    /// The body, as JSON. A form is `{"form": {...}}`, any other body that is not JSON a string, no
    /// body an empty one.
    pub body: Option<Value>,
    /// How long the host must wait before it.
    pub after_ms: Option<u64>,
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

/// What the engine answers: `body`, `medium`, or `framing` and `events`, or nothing at all.
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
    /// The whole body, which is a medium.
    pub medium: Option<Medium>,
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

/// An image or a video.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Medium {
    /// Its media type.
    pub content_type: String,
    /// The bytes, in base64.
    pub base64: String,
}

impl Medium {
    /// The bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = STANDARD.decode(&self.base64);
        bytes.map_err(|error| format!("`{}` is not base64: {error}", self.base64))
    }
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

impl Call {
    pub(super) fn validate(&self, at: &str) -> Result<(), String> {
        for (name, value) in &self.headers {
            check_patterns(&format!("{at}.headers.{name}"), value)?;
        }
        self.body.iter().try_for_each(|body| check_patterns(&format!("{at}.body"), body))
    }
}

impl Reply {
    pub(super) fn validate(&self) -> Result<(), String> {
        let medium = self.medium.is_some();
        let ways = [self.unreachable, self.body.is_some(), self.events.is_some(), medium];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            return Err("must have one of `body`, `events`, `medium` and `unreachable`".into());
        }
        self.medium.as_ref().map_or(Ok(()), |medium| medium.bytes().map(drop))?;
        if self.events.is_some() != self.framing.is_some_and(|f| f != Framing::Whole) {
            return Err("`events` and a `framing` of `sse` or `ndjson` go together".into());
        }
        if !(100..=599).contains(&self.status) {
            return Err(format!("status: {} is not an HTTP status", self.status));
        }
        Ok(())
    }
}
