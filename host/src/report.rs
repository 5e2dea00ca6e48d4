//! What the engine says about itself, as the plugin asked for it.

use std::path::Path;
use std::time::Duration;

use dynamo_host_engine::Client;
use dynamo_host_plugin::{Contact, EngineReport};

/// Longest one report may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest report or model file, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// Gathers `contact`'s reports, and its model files from `model_folder`. One that is not there is
/// left out: the plugin decides what it cannot do without.
pub async fn gather(
    client: &Client,
    contact: &Contact,
    model_folder: Option<&Path>,
    model_path: &str,
    served_name: &str,
    address: String,
) -> EngineReport {
    let mut answers = Vec::with_capacity(contact.reports.len());
    for path in &contact.reports {
        match client.get(path, TIMEOUT, MAX_BYTES).await {
            Ok((200..=299, body)) if is_json(&body) => answers.push((path.clone(), body.to_vec())),
            Ok((status, _)) => {
                tracing::warn!("the engine reports nothing at {path}: status {status}");
            }
            Err(error) => tracing::warn!("the engine reports nothing at {path}: {error}"),
        }
    }
    let mut files = Vec::new();
    let wanted = model_folder
        .into_iter()
        .flat_map(|folder| contact.model_files.iter().map(move |name| (folder, name)));
    for (folder, name) in wanted {
        // Names come from the plugin: a file of the model, not a way out of its folder.
        if Path::new(name).components().count() != 1 || name.contains("..") {
            tracing::warn!("the plugin asks for `{name}`, which is no file of the model");
            continue;
        }
        match tokio::fs::read(folder.join(name)).await {
            Ok(json) if json.len() <= MAX_BYTES && is_json(&json) => {
                files.push((name.clone(), json));
            }
            Ok(_) => tracing::warn!("the model's {name} is not JSON, or too long"),
            Err(_) => tracing::debug!("the model has no {name}"),
        }
    }
    EngineReport {
        model_path: model_path.to_owned(),
        served_name: served_name.to_owned(),
        address,
        answers,
        files,
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}
