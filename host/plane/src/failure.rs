//! A failure in Dynamo's words.

use dynamo_host_failure::{Failure, Kind};
use dynamo_runtime::error::{DynamoError, ErrorClass, ErrorReason};
use dynamo_runtime::protocols::annotated::Annotated;
use serde::Serialize;
use serde_json::Value;

/// The typed error a frontend acts on: class and reason from the kind, the message for operators,
/// and for clients too if the failure says so.
pub(crate) fn typed(failure: &Failure) -> DynamoError {
    let Ok(reason) = ErrorReason::new(failure.kind.reason()) else {
        // No kind gets here (see the test); were one to, it would still be a typed error.
        return DynamoError::msg(failure.message.as_str());
    };
    let builder = DynamoError::builder()
        .class(class(failure.kind))
        .reason(reason)
        .diagnostic(failure.message.as_str());
    if failure.public {
        builder.public_message(failure.message.as_str()).build()
    } else {
        builder.build()
    }
}

/// The item that ends a response stream with an error, as it goes over the wire.
#[derive(Serialize)]
pub(crate) struct WireItem {
    event: &'static str,
    error: Value,
}

impl WireItem {
    pub(crate) fn new(failure: &Failure) -> Result<Self, serde_json::Error> {
        let mut error = serde_json::to_value(typed(failure))?;
        // Beside the class goes the name it had in earlier releases. For a deadline that is
        // `ResponseTimeout`, which a frontend reads as a worker that hangs, and routes around for
        // 5 s; the deadlines we know of are a plugin's or a request's own.
        if failure.kind == Kind::DeadlineExceeded {
            error["error_type"] = Value::from("Unknown");
        }
        Ok(WireItem { event: "error", error })
    }
}

/// The same for callers in this process.
pub(crate) fn item<T>(failure: &Failure) -> Annotated<T> {
    Annotated {
        data: None,
        id: None,
        event: Some("error".to_owned()),
        comment: None,
        error: Some(typed(failure)),
    }
}

/// What another worker's error means here.
pub(crate) fn read(error: &DynamoError) -> Failure {
    let kind = Kind::ALL.into_iter().find(|kind| class(*kind) == error.class());
    let kind = kind.unwrap_or(Kind::Internal);
    match error.public_message() {
        Some(message) => Failure::public(kind, message),
        None => Failure::new(kind, error.message()),
    }
}

/// The same for an error that may be none of Dynamo's own: of the connection, then.
pub(crate) fn read_any(error: &anyhow::Error) -> Failure {
    match error.chain().find_map(|cause| cause.downcast_ref::<DynamoError>()) {
        Some(error) => read(error),
        None => Failure::unavailable(crate::error::words(error)),
    }
}

const fn class(kind: Kind) -> ErrorClass {
    match kind {
        Kind::InvalidRequest => ErrorClass::InvalidRequest,
        Kind::Unauthenticated => ErrorClass::Unauthenticated,
        Kind::PermissionDenied => ErrorClass::PermissionDenied,
        Kind::NotFound => ErrorClass::NotFound,
        Kind::Conflict => ErrorClass::Conflict,
        Kind::PayloadTooLarge => ErrorClass::PayloadTooLarge,
        Kind::UnsupportedMedia => ErrorClass::UnsupportedMedia,
        Kind::RateLimited => ErrorClass::RateLimited,
        Kind::CapacityExhausted => ErrorClass::CapacityExhausted,
        Kind::Cancelled => ErrorClass::Cancelled,
        Kind::Unavailable => ErrorClass::Unavailable,
        Kind::BackendProtocol => ErrorClass::BackendProtocol,
        Kind::DeadlineExceeded => ErrorClass::DeadlineExceeded,
        Kind::NotImplemented => ErrorClass::NotImplemented,
        Kind::Internal => ErrorClass::Internal,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Dynamo rewrites a pair it does not know to an internal error and drops the public message,
    /// on both ends of the wire.
    #[test]
    fn every_kind_is_a_pair_dynamo_knows() {
        for kind in Kind::ALL {
            let error = typed(&Failure::public(kind, "why"));
            let wire = serde_json::to_vec(&error).unwrap();
            let read: DynamoError = serde_json::from_slice(&wire).unwrap();
            for error in [error, read] {
                assert_eq!(error.class().as_str(), kind.class());
                assert_eq!(error.reason().as_str(), kind.reason());
                assert_eq!(error.public_message(), Some("why"), "{kind}");
                assert_eq!(error.message(), "why");
            }
        }
    }

    #[test]
    fn a_deadline_does_not_read_as_a_worker_that_hangs() {
        let failure = Failure::new(Kind::DeadlineExceeded, "the plugin took too long");
        let wire = serde_json::to_value(WireItem::new(&failure).unwrap()).unwrap();
        let read: DynamoError = serde_json::from_value(wire["error"].clone()).unwrap();
        assert_eq!(read.error_type(), ErrorClass::DeadlineExceeded);
        assert_eq!(read.class(), ErrorClass::DeadlineExceeded);
    }

    #[test]
    fn a_private_message_stays_in_the_diagnostic() {
        let error = typed(&Failure::internal("the plugin trapped at 0x1f"));
        assert_eq!(error.public_message(), None);
        assert_eq!(error.message(), "the plugin trapped at 0x1f");
    }
}
