//! Routes of the operator's own: `--engine-route PATH[=METHOD][:engine|tm]`.
//!
//! In Dynamo the target says whose method it is, the engine's or its tokenizer manager's. Here both
//! are the server's route of that name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ask, normalized, refused};
use crate::sglang::settings::Words;
use crate::{Call, Error, Result, send_to_engine};

/// A path, and the method of SGLang's server behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Configured {
    pub(super) path: String,
    pub(super) method: String,
}

/// Reads descriptors (`parse_engine_route_descriptors`).
pub(super) fn parse(words: &Words) -> Result<Vec<Configured>> {
    let words: Vec<&str> = match words {
        Words::Text(text) => text.split_whitespace().collect(),
        Words::List(list) => list.iter().map(|word| word.trim()).collect(),
    };
    let mut routes: Vec<Configured> = Vec::with_capacity(words.len());
    for word in words {
        let route = descriptor(word).map_err(|why| invalid(word, why))?;
        if routes.iter().any(|other| other.path == route.path) {
            return Err(invalid(word, "the path is configured more than once"));
        }
        routes.push(route);
    }
    Ok(routes)
}

fn invalid(word: &str, why: &str) -> Error {
    Error::invalid_request(format!(
        "engine_routes: `{word}` is no PATH[=METHOD][:engine|tm]: {why}"
    ))
}

fn descriptor(word: &str) -> Result<Configured, &'static str> {
    let route = match word.split_once(':') {
        None => word,
        Some((route, "engine" | "tm")) => route,
        Some(_) => return Err("the target is neither `engine` nor `tm`"),
    };
    let (path, method) = route.split_once('=').unwrap_or((route, route));
    if path.is_empty() || !path.split('/').all(is_segment) {
        return Err(
            "parts of a path are letters, digits, `.`, `_` and `-`, and begin with neither",
        );
    }
    if !is_method(method) {
        return Err("the method is not the name of a public method");
    }
    Ok(Configured { path: path.into(), method: method.into() })
}

fn is_segment(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    part.starts_with(plain) && part.chars().all(|c| plain(c) || "._-".contains(c))
}

fn is_method(name: &str) -> bool {
    name.starts_with(char::is_alphabetic) && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Has the engine's server do it. An answer that says `success` is one also where it is false.
pub(super) fn handle(route: &Configured, body: &Map<String, Value>) -> Result<Value> {
    let mut reply = ask(&route.method, body)?;
    if reply.status == 405 {
        // What only looks is a GET.
        reply = send_to_engine(Call::get(&format!("/{}", route.method)))?;
    }
    let answer = normalized(&reply.body);
    match reply.status {
        200..=299 => Ok(answer),
        _ if answer["success"].is_boolean() => Ok(answer),
        status => Err(refused(&route.method, status, &reply.body)),
    }
}
