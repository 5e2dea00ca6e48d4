//! What the engine says about itself, as the plugin asked for it.

use std::path::Path;
use std::time::Duration;

use dynamo_host_engine::Client;
use dynamo_host_plugin::{Contact, EngineReport};

/// Longest one report may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest report or model file, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// What a plugin gets of the model that has no engine, and with it no say: configuration, tokenizer
/// and chat template, as Hugging Face lays models out.
const USUAL_FILES: [&str; 4] =
    ["config.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"];

/// Adds to `report` the answers and model files the plugin asks for. One that is not there is left
/// out: the plugin decides what it cannot do without.
pub async fn gather(
    engine: Option<(&Client, &Contact)>,
    model_folder: Option<&Path>,
    report: EngineReport,
) -> EngineReport {
    let Some((client, contact)) = engine else {
        let files = files(model_folder, USUAL_FILES).await;
        return EngineReport { files, ..report };
    };
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
    let files = files(model_folder, contact.model_files.iter().map(String::as_str)).await;
    EngineReport { answers, files, ..report }
}

/// The files of these names in the model's folder, if it is known.
async fn files<'a>(
    folder: Option<&Path>,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let Some(folder) = folder else { return files };
    for name in names {
        // Names come from the plugin: a file of the model, not a way out of its folder.
        if Path::new(name).components().count() != 1 || name.contains("..") {
            tracing::warn!("the plugin asks for `{name}`, which is no file of the model");
            continue;
        }
        match tokio::fs::read(folder.join(name)).await {
            Ok(bytes) if bytes.len() > MAX_BYTES => {
                tracing::warn!("the model's {name} is too long");
            }
            Ok(bytes) => match as_json(name, bytes) {
                Some(json) => files.push((name.to_owned(), json)),
                None => tracing::warn!("the model's {name} is not JSON"),
            },
            Err(_) => tracing::debug!("the model has no {name}"),
        }
    }
    files
}

/// A file as a report holds it: JSON as it is, a text of another kind, such as a chat template, as a
/// JSON string.
fn as_json(name: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
    if name.ends_with(".json") {
        return is_json(&bytes).then_some(bytes);
    }
    let text = String::from_utf8(bytes).ok()?;
    serde_json::to_vec(&text).ok()
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn without_an_engine_there_are_the_models_usual_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("config.json", "{}"), ("secret.json", "{}")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let report = EngineReport {
            model_path: String::new(),
            served_name: String::new(),
            address: String::new(),
            answers: Vec::new(),
            files: Vec::new(),
        };
        let report = gather(None, Some(folder.path()), report).await;
        assert_eq!(report.files, [("config.json".to_owned(), b"{}".to_vec())]);
    }

    #[test]
    fn a_template_is_a_string_and_a_broken_json_is_nothing() {
        let template = as_json("chat_template.jinja", b"{% if \"a\" %}".to_vec());
        assert_eq!(template.as_deref(), Some(&br#""{% if \"a\" %}""#[..]));
        assert_eq!(as_json("config.json", b"{}".to_vec()).as_deref(), Some(&b"{}"[..]));
        assert_eq!(as_json("config.json", b"{".to_vec()), None);
        assert_eq!(as_json("chat_template.jinja", vec![0xff]), None);
    }
}
