//! From what a plugin registers to the facts of Dynamo's model card.

use dynamo_host_failure::Failure;
use dynamo_host_plane::card::{CardFacts, ModelInput};
use dynamo_host_plugin::{Input, Registration};
use serde_json::{Map, Value};

use crate::cli::Arguments;
use crate::model;

/// The name of the model that clients ask for.
pub fn model(arguments: &Arguments) -> String {
    arguments.served_names.first().cloned().unwrap_or_default()
}

/// The card of a worker that registers as `registration`.
///
/// # Errors
/// `runtime_config` is no JSON object: a defect of the plugin.
pub fn card(registration: &Registration, arguments: &Arguments) -> Result<CardFacts, Failure> {
    let mut runtime_config: Map<String, Value> =
        serde_json::from_slice(&registration.runtime_config).map_err(|error| {
            Failure::internal(format!("runtime_config is no JSON object: {error}"))
        })?;
    runtime_config.retain(|_, value| !value.is_null());
    let context_length = runtime_config.get("context_length").and_then(Value::as_u64);
    let model_path = arguments.model_path.as_deref().unwrap_or_default();
    Ok(CardFacts {
        display_name: model(arguments),
        source_path: arguments.model_path.clone(),
        model_dir: model::folder(model_path),
        chat_template: arguments.custom_jinja_template.clone(),
        model_types: registration.model_types.clone(),
        model_input: match registration.input {
            Input::Tokens => ModelInput::Tokens,
            Input::Text => ModelInput::Text,
            Input::Tensor => ModelInput::Tensor,
        },
        worker_type: registration.worker_type.clone(),
        needs: registration.needs.clone(),
        kv_cache_block_size: registration.kv_cache_block_size,
        context_length: context_length.and_then(|length| u32::try_from(length).ok()),
        runtime_config,
        router_config: arguments.router_config.clone(),
        aliases: arguments.served_names.iter().skip(1).cloned().collect(),
    })
}
