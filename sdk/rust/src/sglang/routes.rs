//! What operators ask of an SGLang engine under `/engine/`: the routes of `dynamo.sglang` 1.6.1
//! (`request_handlers/handler_base.py`, `engine_routes.py`), under its paths and under those of the
//! reference page.
//!
//! Dynamo's worker calls methods of the engine in its process; here each is a call of SGLang's own
//! HTTP server under the method's name. [`control`] is what changes the engine while it serves,
//! [`lifecycle`] what takes it out of use and brings it back, [`elastic`] what grows it,
//! [`configured`] what the operator adds with `--engine-route`.

mod configured;
mod control;
mod elastic;
mod lifecycle;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Settings;
use super::endpoints;
use crate::{Call, EngineReply, Error, Kind, Result, Route, Surface, send_to_engine};

use configured::Configured;

/// The routes of a worker; part of its state. Empty where the operator configures none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRoutes(Vec<Configured>);

impl EngineRoutes {
    /// The routes with what the operator configures.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`]: a descriptor that is none, or one for a path that is taken.
    pub fn new(settings: &Settings) -> Result<Self> {
        let configured = match &settings.engine_routes {
            Some(words) => configured::parse(words)?,
            None => Vec::new(),
        };
        let taken = configured.iter().find(|route| is_reserved(&route.path));
        match taken {
            None => Ok(EngineRoutes(configured)),
            Some(route) => Err(Error::invalid_request(format!(
                "engine_routes: /engine/{} is a route of Dynamo's own: choose another path",
                route.path
            ))),
        }
    }

    /// All of them, with the [`endpoints`] beside them.
    pub fn list(&self) -> Vec<Route> {
        let mut routes = endpoints::routes();
        routes.extend(self.of_engine());
        routes
    }

    /// Those under `/engine/`.
    pub fn of_engine(&self) -> Vec<Route> {
        let route = |path: String, summary: &str| Route {
            path,
            surface: Surface::System,
            summary: summary.into(),
        };
        let mut routes = Vec::new();
        for (name, summary) in control::ROUTES.iter().map(|of| (of.path, of.summary)) {
            routes.push(route(format!("control/{name}"), summary));
            routes.push(route((*name).into(), summary));
        }
        for (name, summary) in elastic::ROUTES {
            routes.push(route(format!("control/{name}"), summary));
        }
        for (name, summary) in lifecycle::ROUTES {
            routes.push(route((*name).into(), summary));
        }
        for Configured { path, method } in &self.0 {
            routes.push(route(path.clone(), &format!("Has the engine do {method}")));
        }
        routes
    }

    /// Answers one of them. `max_loaded`: how many LoRA adapters the engine holds at once.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for a body the engine's method does not take; what the engine fails
    /// with.
    pub fn handle(&self, path: &str, body: &Value, max_loaded: Option<u32>) -> Result<Value> {
        if let Some(route) = self.0.iter().find(|route| route.path == path) {
            return configured::handle(route, object(path, body)?);
        }
        let name = path.strip_prefix("control/").unwrap_or(path);
        if let Some(route) = control::ROUTES.iter().find(|route| route.path == name) {
            return route.handle(object(path, body)?);
        }
        match path {
            "control/scale_elastic_ep" => elastic::scale(body),
            "control/is_scaling_elastic_ep" => elastic::state(),
            "pause_generation" => lifecycle::pause(object(path, body)?),
            "continue_generation" => lifecycle::resume_generation(object(path, body)?),
            "release_memory_occupation" => lifecycle::release(object(path, body)?),
            "resume_memory_occupation" => lifecycle::resume(object(path, body)?),
            _ => endpoints::handle(path, body, max_loaded),
        }
    }
}

/// Whether a configured route may not have this path.
fn is_reserved(path: &str) -> bool {
    let Some(name) = path.strip_prefix("control/") else { return false };
    control::ROUTES.iter().any(|route| route.path == name)
        || elastic::ROUTES.iter().any(|(of, _)| *of == name)
}

fn object<'a>(path: &str, body: &'a Value) -> Result<&'a Map<String, Value>> {
    body.as_object().ok_or_else(|| {
        Error::invalid_request(format!("/engine/{path}: the body must be a JSON object"))
    })
}

/// Refuses members SGLang's method does not have. Its server would pass over them, and with a
/// misspelled `tags` release everything.
fn check_members(path: &str, body: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::invalid_request(format!(
            "/engine/{path}: there is no `{name}`; known are {}",
            known.join(", ")
        ))),
    }
}

/// Sends `body` to the engine's method; its answer, whatever status it has.
fn ask(method: &str, body: &Map<String, Value>) -> Result<EngineReply> {
    send_to_engine(Call::post(&format!("/{method}"), body)?)
}

/// The same, for a method that must succeed.
fn tell(method: &str, body: &Map<String, Value>) -> Result<EngineReply> {
    let reply = ask(method, body)?;
    match reply.status {
        200..=299 => Ok(reply),
        status => Err(refused(method, status, &reply.body)),
    }
}

fn refused(method: &str, status: u16, body: &[u8]) -> Error {
    match status {
        404 => Error::new(Kind::NotFound, format!("the engine's server has no /{method}")).public(),
        _ => Error::from_engine(status, body),
    }
}

/// What an operator gets for an engine's answer (`normalize_engine_route_result`): an object as it
/// is, nothing as a status, anything else as a result.
fn normalized(body: &[u8]) -> Value {
    let answer = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).trim()));
    match answer {
        Value::Null => done(),
        Value::String(text) if text.is_empty() => done(),
        Value::Object(_) => answer,
        other => json!({"result": other}),
    }
}

fn done() -> Value {
    json!({"status": "ok"})
}
