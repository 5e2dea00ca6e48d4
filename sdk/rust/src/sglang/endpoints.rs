//! The endpoints a text worker has beside `generate`: LoRA adapters and the KV cache. They mirror
//! `load_lora`, `unload_lora`, `list_loras` and `clear_kv_blocks` of `dynamo.sglang`
//! (`request_handlers/handler_base.py`), answers word for word: operators' scripts read them.

use serde_json::{Map, Value, json};

use crate::{Call, EngineReply, Error, Kind, Result, Route, Surface, adapters, send_to_engine};

/// Those that load and unload adapters, and the one that empties the cache.
pub fn routes() -> Vec<Route> {
    let route = |path: &str, summary: &str| Route {
        path: path.into(),
        surface: Surface::Endpoint,
        summary: summary.into(),
    };
    vec![
        route("load_lora", "Loads a LoRA adapter and lists it as a model"),
        route("unload_lora", "Unloads a LoRA adapter"),
        route("list_loras", "The LoRA adapters that are loaded"),
        route("clear_kv_blocks", "Empties the engine's KV cache"),
    ]
}

/// Answers one of [`routes`]. `max_loaded`: how many adapters the engine holds at once.
///
/// # Errors
/// There is no such route. What goes wrong in one is its answer, `"status": "error"`.
pub fn handle(path: &str, body: &Value, max_loaded: Option<u32>) -> Result<Value> {
    let answered = match path {
        "load_lora" => load(body.as_object(), max_loaded),
        "unload_lora" => unload(body.as_object()),
        "list_loras" => list(),
        "clear_kv_blocks" => clear(),
        _ => return Err(Error::new(Kind::NotFound, format!("there is no endpoint `{path}`"))),
    };
    Ok(answered.unwrap_or_else(|refusal| refusal))
}

/// An answer, or a refusal that is one, too.
type Answer = std::result::Result<Value, Value>;

fn refusal(message: impl Into<String>) -> Value {
    json!({"status": "error", "message": message.into()})
}

fn about(name: &str, mut answer: Value) -> Value {
    answer["lora_name"] = name.into();
    answer
}

fn success(what: &str, name: &str) -> Value {
    json!({
        "status": "success",
        "message": format!("LoRA adapter '{name}' {what}"),
        "lora_name": name,
        "lora_id": adapters::id_of(name),
    })
}

fn load(body: Option<&Map<String, Value>>, max_loaded: Option<u32>) -> Answer {
    let body =
        body.ok_or_else(|| refusal("Request is required with 'lora_name' and 'source.uri'"))?;
    let name = text(body, "lora_name").ok_or_else(no_name)?;
    let source = body.get("source").and_then(Value::as_object).filter(|source| !source.is_empty());
    let source = source.ok_or_else(|| refusal("'source' object is required in request"))?;
    let uri = text(source, "uri").ok_or_else(|| refusal("'source.uri' is required in request"))?;
    let loaded = adapters::published().map_err(|_| {
        refusal(
            "LoRAManager not initialized. Set DYN_LORA_ENABLED=true to enable URI-based LoRA \
             loading.",
        )
    })?;
    if loaded.iter().any(|adapter| adapter.name == name) {
        return Ok(success("already loaded", name));
    }
    let path = adapters::fetch(uri)
        .map_err(|error| refusal(format!("Failed to download LoRA: {}", said(&error))))?;
    tell_engine("/load_lora_adapter", &json!({"lora_name": name, "lora_path": path}))
        .map_err(|why| refusal(format!("SGLang failed to load LoRA adapter '{name}': {why}")))?;
    if let Err(error) = adapters::publish(name, &path, max_loaded) {
        // Loaded and not to be found is worse than not loaded.
        let undone = tell_engine("/unload_lora_adapter", &json!({"lora_name": name}));
        if let Err(why) = undone {
            crate::warn!("LoRA adapter {name} stays in the engine, unlisted: {why}");
        }
        let message =
            format!("Failed to register LoRA '{name}' in discovery registry: {}", said(&error));
        return Err(about(name, refusal(message)));
    }
    Ok(success("loaded successfully", name))
}

fn unload(body: Option<&Map<String, Value>>) -> Answer {
    let body = body.ok_or_else(|| refusal("Request is required with 'lora_name' field"))?;
    let name = text(body, "lora_name").ok_or_else(no_name)?;
    let loaded = adapters::published().unwrap_or_default();
    let Some(adapter) = loaded.iter().find(|adapter| adapter.name == name) else {
        let names: Vec<String> =
            loaded.iter().map(|adapter| format!("'{}'", adapter.name)).collect();
        return Err(refusal(format!(
            "LoRA adapter '{name}' not found. Available LoRAs: [{}]",
            names.join(", ")
        )));
    };
    tell_engine("/unload_lora_adapter", &json!({"lora_name": name}))
        .map_err(|why| refusal(format!("SGLang failed to unload LoRA adapter '{name}': {why}")))?;
    if let Err(error) = adapters::withdraw(name) {
        // It is listed still, so it must answer.
        let again = json!({"lora_name": name, "lora_path": adapter.path});
        if let Err(why) = tell_engine("/load_lora_adapter", &again) {
            crate::warn!("LoRA adapter {name} stays listed, and is not in the engine: {why}");
        }
        let message =
            format!("Failed to unregister LoRA '{name}' from discovery registry: {}", said(&error));
        return Err(about(name, refusal(message)));
    }
    Ok(success("unloaded successfully", name))
}

fn list() -> Answer {
    let loaded = adapters::published().unwrap_or_default();
    let ids: Map<String, Value> =
        loaded.iter().map(|adapter| (adapter.name.clone(), adapter.id.into())).collect();
    Ok(json!({"status": "success", "count": ids.len(), "loras": ids}))
}

/// The engine itself refuses while it is at work. It is given a second, since its scheduler holds on
/// to a batch for a moment after the last answer has gone out.
fn clear() -> Answer {
    let reply = ask_engine("/flush_cache?timeout=1", &json!({})).map_err(refusal)?;
    match reply.status {
        200..=299 => Ok(json!({"status": "success", "message": "KV cache cleared"})),
        _ => Err(refusal(String::from_utf8_lossy(&reply.body).trim())),
    }
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn no_name() -> Value {
    refusal("'lora_name' is required in request")
}

/// Sends a control call whose answer says `success`; the engine's reason if it says otherwise.
fn tell_engine(path: &str, body: &Value) -> std::result::Result<(), String> {
    let reply = ask_engine(path, body)?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if (200..300).contains(&reply.status) && answer["success"] != Value::Bool(false) {
        return Ok(());
    }
    let reason = answer["error_message"].as_str().map(String::from);
    Err(reason.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).trim().to_owned()))
}

fn ask_engine(path: &str, body: &Value) -> std::result::Result<EngineReply, String> {
    let call = Call::post(path, body).map_err(|error| said(&error))?;
    send_to_engine(call).map_err(|error| said(&error))
}

/// What an error says, without its kind.
fn said(error: &Error) -> String {
    error.message().to_owned()
}
