//! What a running diffusion server reports, and how the worker then stands in Dynamo.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::sglang::server::{MODEL_INFO, SERVER_INFO};
use crate::{EngineReport, Error, Input, Kind, Registration, Result};

/// The members of `/server_info` a worker acts on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerInfo {
    /// Replicas of the model. Each takes one request at a time.
    dp_size: Option<u32>,
}

/// The members of `/model_info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelInfo {
    /// `IMAGE`, `VIDEO`, ... A model may make several.
    output_types: Option<Vec<String>>,
    /// `T2I`, `TI2V`, ...
    task_type: Option<String>,
}

/// The registration of a worker that serves `model_types` with an engine that makes `output`: `IMAGE`
/// or `VIDEO`. As many requests are in the engine as it works on at once: the others wait in the host,
/// where a client that leaves can be taken out of the queue.
///
/// # Errors
/// [`Kind::NotImplemented`] for an engine that makes something else, [`Kind::BackendProtocol`] for one
/// whose reports make no sense.
pub fn register(
    report: &EngineReport,
    output: &str,
    model_types: Vec<String>,
) -> Result<Registration> {
    let server: ServerInfo = answer(report, SERVER_INFO)?;
    let model: ModelInfo = answer(report, MODEL_INFO)?;
    if let Some(made) = model.output_types
        && !made.iter().any(|made| made == output)
    {
        return Err(Error::new(
            Kind::NotImplemented,
            format!(
                "the engine's model ({}) makes {}; this worker type is for {output}",
                model.task_type.as_deref().unwrap_or("of an unknown task"),
                made.join(" and "),
            ),
        ));
    }
    Ok(Registration {
        model_types,
        concurrency: Some(server.dp_size.unwrap_or(1).max(1)),
        ..Registration::aggregated([], Input::Text)
    })
}

/// The surfaces for what the operator says is made (Dynamo's `output_modalities.py`).
///
/// # Errors
/// [`Kind::InvalidRequest`] for a word that is none of Dynamo's.
pub fn surfaces(modalities: &[String]) -> Result<Vec<String>> {
    let mut surfaces: Vec<String> = Vec::new();
    for modality in modalities {
        let of_this: &[&str] = match modality.as_str() {
            "text" => &["chat"],
            "image" => &["images", "chat"],
            "video" => &["videos"],
            "audio" => &["audios"],
            other => {
                return Err(Error::invalid_request(format!("output_modalities: {other}")));
            }
        };
        for surface in of_this {
            if !surfaces.iter().any(|there| there == surface) {
                surfaces.push((*surface).to_owned());
            }
        }
    }
    Ok(surfaces)
}

fn answer<T: DeserializeOwned + Default>(report: &EngineReport, path: &str) -> Result<T> {
    match report.answer(path) {
        serde_json::Value::Null => Ok(T::default()),
        value => serde_json::from_value(value)
            .map_err(|error| Error::backend_protocol(format!("the engine's {path}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn as_many_at_once_as_replicas() {
        let concurrency = |info| {
            let report = testing::engine_report(SERVER_INFO, &info);
            register(&report, "IMAGE", Vec::new()).unwrap().concurrency
        };
        assert_eq!(concurrency(json!({"dp_size": 4})), Some(4));
        assert_eq!(concurrency(json!({"dp_size": 0})), Some(1));
        assert_eq!(concurrency(json!({})), Some(1));
    }

    #[test]
    fn an_engine_that_makes_something_else() {
        let report = testing::engine_report(
            MODEL_INFO,
            &json!({"output_types": ["VIDEO"], "task_type": "T2V"}),
        );
        assert!(register(&report, "VIDEO", Vec::new()).is_ok());
        let error = register(&report, "IMAGE", Vec::new()).unwrap_err();
        assert_eq!(error.kind(), Kind::NotImplemented);
        assert!(error.message().contains("T2V"), "{error:?}");
    }

    #[test]
    fn surfaces_follow_from_modalities() {
        let of = |words: &[&str]| {
            surfaces(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of(&["image"]).unwrap(), ["images", "chat"]);
        assert_eq!(of(&["text", "image", "video"]).unwrap(), ["chat", "images", "videos"]);
        assert!(of(&["smell"]).is_err());
    }
}
