//! `DYN_HEALTH_CHECK_PAYLOAD`: a health check of the operator's.
//!
//! Mirrors `dynamo.health_check` of 1.6.1, where `{}` counts as none. There, what is no JSON object
//! is passed over with a warning; here it is an error, for a worker that answers another health
//! check than it was told to looks well when it may not be. The flag `--health-check-payload`, which
//! 1.6.1 takes and then ignores in this backend, is the same as the variable.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// What Dynamo marks a disaggregated worker's health check with, whoever wrote it: its engine must
/// not wait for another.
pub(crate) const MARKER: &str = "_HEALTH_CHECK";

/// A health check that is none.
#[derive(Debug, thiserror::Error)]
pub enum HealthCheckError {
    /// The file cannot be read.
    #[error("the health check ({flag}) cannot be read from {}: {error}", path.display())]
    Unreadable {
        /// A flag or a variable.
        flag: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is not JSON.
    #[error(
        "the health check ({flag}) is not JSON: {error}. Give a JSON object, or @FILE with one"
    )]
    NotJson {
        /// A flag or a variable.
        flag: String,
        /// What is wrong, and where.
        error: serde_json::Error,
    },
    /// It is JSON, but no request.
    #[error("the health check ({flag}) is no JSON object but {what}: a request is an object")]
    NotAnObject {
        /// A flag or a variable.
        flag: String,
        /// What it is.
        what: &'static str,
    },
}

/// The health check that `text`, a JSON object or `@FILE`, gives as `flag`. None for an empty one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str, flag: &str) -> Result<Option<Value>, HealthCheckError> {
    let flag = flag.to_owned();
    let json = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            HealthCheckError::Unreadable { flag: flag.clone(), path: path.into(), error }
        })?,
    };
    let value = serde_json::from_str(&json)
        .map_err(|error| HealthCheckError::NotJson { flag: flag.clone(), error })?;
    let what = match value {
        Value::Object(members) => {
            return Ok((!members.is_empty()).then_some(Value::Object(members)));
        }
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
    };
    Err(HealthCheckError::NotAnObject { flag, what })
}

/// The health check to use: `given`, or else the plugin's `own`, whose marker `given` takes over.
pub(crate) fn choose(given: Option<&Value>, own: Value) -> Value {
    let Some(Value::Object(given)) = given else { return own };
    let mut chosen: Map<String, Value> = given.clone();
    if let Some(marker) = own.get(MARKER) {
        chosen.insert(MARKER.into(), marker.clone());
    }
    Value::Object(chosen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_health_check_is_an_object_in_the_text_or_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("check.json");
        std::fs::write(&file, r#"{"token_ids": [1]}"#).unwrap();
        let in_file = read(&format!("@{}", file.display()), "X").unwrap();
        assert_eq!(in_file, Some(json!({"token_ids": [1]})));
        assert_eq!(read("{\"a\": 1}", "X").unwrap(), Some(json!({"a": 1})));
        assert_eq!(read("{}", "X").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_with_it_is_said() {
        for (text, message) in [
            ("{", "not JSON"),
            ("[1]", "a list"),
            ("@/no/such.json", "cannot be read from /no/such.json"),
        ] {
            let error = read(text, "DYN_HEALTH_CHECK_PAYLOAD").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(error.contains("DYN_HEALTH_CHECK_PAYLOAD"), "{error}");
        }
    }

    #[test]
    fn the_plugins_marker_stays() {
        let given = json!({"token_ids": [7]});
        let own = json!({"token_ids": [1], MARKER: true});
        let marked = json!({"token_ids": [7], MARKER: true});
        assert_eq!(choose(Some(&given), own.clone()), marked);
        assert_eq!(choose(Some(&given), json!({})), given);
        assert_eq!(choose(None, own.clone()), own);
    }
}
