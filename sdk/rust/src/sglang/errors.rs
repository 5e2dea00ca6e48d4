//! Failures, told apart the way Dynamo's SGLang handlers tell them.

use serde_json::Value;

use crate::{Error, Kind, Result};

/// The longest message of the engine's that a client is shown, in characters.
const LONGEST_MESSAGE: usize = 8192;

/// A client's mistake that Dynamo reports without its text (`ValueError`, `HttpError(400)` there):
/// the text goes to the log.
pub fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidRequest, message)
}

/// What a status the engine put into an answer means.
///
/// 400 is the client's doing and said in the engine's words; another status from 400 to 599 is its
/// kind; anything else, also a status that is no integer, is [`Kind::Internal`].
pub fn engine_failure(status: &Value, message: &str) -> Error {
    let message =
        if message.is_empty() { "the engine gave up without saying why" } else { message };
    match status.as_u64() {
        Some(400) => Error::invalid_request(cut(message)),
        Some(status @ 401..=599) => Error::new(Kind::from_status(status as u16), message),
        _ => Error::internal(message),
    }
}

/// Passes an event of the engine's stream, unless it says that the stream has failed.
///
/// # Errors
/// That failure.
pub fn check_error_event(event: &Value) -> Result<()> {
    match &event["error"] {
        Value::Null => Ok(()),
        error => Err(engine_failure(&error["code"], error["message"].as_str().unwrap_or_default())),
    }
}

fn cut(message: &str) -> &str {
    message.char_indices().nth(LONGEST_MESSAGE).map_or(message, |(end, _)| &message[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses() {
        let failure = |status| engine_failure(&status, "why").into_failure();
        assert_eq!(failure(json!(400)).kind, Kind::InvalidRequest);
        assert!(failure(json!(400)).public);
        assert_eq!(failure(json!(422)).kind, Kind::InvalidRequest);
        assert!(!failure(json!(422)).public);
        assert_eq!(failure(json!(503)).kind, Kind::Unavailable);
        for wrong in [json!("400"), json!(true), json!(null), json!(200), json!(600), json!(400.5)]
        {
            assert_eq!(failure(wrong).kind, Kind::Internal);
        }
    }

    #[test]
    fn messages() {
        let long = engine_failure(&json!(400), &"é".repeat(9000)).into_failure().message;
        assert_eq!(long.chars().count(), LONGEST_MESSAGE);
        assert!(!engine_failure(&json!(500), "").into_failure().message.is_empty());
    }
}
