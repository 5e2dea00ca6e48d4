//! Growing the group of expert-parallel ranks while the engine serves.

use serde_json::{Map, Value, json};

use super::{ask, refused};
use crate::{Call, Result, send_to_engine};

pub(super) const ROUTES: &[(&str, &str)] = &[
    ("scale_elastic_ep", "Adds expert-parallel ranks"),
    ("is_scaling_elastic_ep", "How far the adding of expert-parallel ranks is"),
];

/// Adds ranks up to `new_ep_size`. What is wrong with the body is an answer, too.
pub(super) fn scale(body: &Value) -> Result<Value> {
    let size = match body.get("new_ep_size") {
        None | Some(Value::Null) => return Ok(error("Missing required field: new_ep_size")),
        Some(Value::Number(size)) if size.is_i64() || size.is_u64() => size,
        Some(other) => {
            let message = format!("new_ep_size must be an integer, got: {}", in_python(other));
            return Ok(error(message));
        }
    };
    if size.as_i64().is_some_and(|size| size <= 0) {
        return Ok(error("new_ep_size must be a positive integer"));
    }
    let asked = Map::from_iter([("new_ep_size".to_owned(), Value::from(size.clone()))]);
    let reply = ask("scale_elastic_ep", &asked)?;
    let answer = match outcome(reply.status, &reply.body)? {
        Ok(answer) => answer,
        Err(refusal) => return Ok(refusal),
    };
    let said = answer["message"].as_str().filter(|message| !message.is_empty());
    let message = said.map_or_else(|| format!("Scaled to ep_size={size}"), String::from);
    Ok(json!({
        "status": "ok",
        "message": message,
        "old_ep_size": answer["old_ep_size"],
        "new_ep_size": answer["new_ep_size"],
    }))
}

/// The engine's state of scaling.
pub(super) fn state() -> Result<Value> {
    let reply = send_to_engine(Call::get("/is_scaling_elastic_ep"))?;
    Ok(outcome(reply.status, &reply.body)?.unwrap_or_else(|refusal| refusal))
}

/// The engine's answer, or its refusal (`{"error": ...}`) as one.
fn outcome(status: u16, body: &[u8]) -> Result<std::result::Result<Value, Value>> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match (status, &answer) {
        (200..=299, Value::Object(_)) => Ok(Ok(answer)),
        (400..=499, Value::Object(members)) if members.contains_key("error") => {
            let said = answer["error"].as_str().filter(|message| !message.is_empty());
            Ok(Err(error(said.unwrap_or("scale_elastic_ep failed"))))
        }
        _ => Err(refused("scale_elastic_ep", status, body)),
    }
}

fn error(message: impl Into<String>) -> Value {
    json!({"status": "error", "message": message.into()})
}

/// A value as Dynamo's message shows it.
fn in_python(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
