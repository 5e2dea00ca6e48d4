//! Failures, so that `?` works on anything.

use std::fmt;

use serde_json::Value;

use crate::{Failure, Kind};

/// The result of a plugin's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One failed request. Any other error turns into one of kind [`Kind::Internal`] by `?`.
#[derive(Clone)]
pub struct Error(Failure);

impl Error {
    /// A failure whose message the client does not see.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Failure { kind, message: message.into(), public: false })
    }

    /// The caller's fault, told to the caller: name the member that was wrong.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Error::new(Kind::InvalidRequest, message).public()
    }

    /// The engine said something that makes no sense.
    pub fn backend_protocol(message: impl Into<String>) -> Self {
        Error::new(Kind::BackendProtocol, message)
    }

    /// A defect.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Kind::Internal, message)
    }

    /// What an engine's HTTP error means: the kind by its status, its own message if the body has
    /// one at the usual places (`error.message`, `message`, `detail`).
    pub fn from_engine(status: u16, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let message =
            [&json["error"]["message"], &json["message"], &json["detail"], &json["error"]]
                .into_iter()
                .find_map(Value::as_str)
                .map_or_else(
                    || String::from_utf8_lossy(&body[..body.len().min(512)]).into_owned(),
                    String::from,
                );
        let error = Error::new(
            Kind::from_status(status),
            format!("the engine answered {status}: {message}"),
        );
        if (400..500).contains(&status) {
            Error(Failure { message, ..error.0 }).public()
        } else {
            error
        }
    }

    /// Lets the client read the message.
    pub fn public(mut self) -> Self {
        self.0.public = true;
        self
    }

    /// Whether the client may read the message.
    pub fn is_public(&self) -> bool {
        self.0.public
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What it says about it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The failure as the host takes it.
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// A failure the host handed in.
    pub fn from_failure(failure: Failure) -> Self {
        Error(failure)
    }
}

impl Kind {
    /// The kind an HTTP status stands for, by Dynamo's table (`HttpError` in `dynamo-runtime`).
    pub fn from_status(status: u16) -> Kind {
        match status {
            400 | 422 => Kind::InvalidRequest,
            401 => Kind::Unauthenticated,
            403 => Kind::PermissionDenied,
            404 => Kind::NotFound,
            409 => Kind::Conflict,
            413 | 431 => Kind::PayloadTooLarge,
            415 => Kind::UnsupportedMedia,
            429 => Kind::RateLimited,
            499 => Kind::Cancelled,
            501 => Kind::NotImplemented,
            502 => Kind::BackendProtocol,
            503 => Kind::Unavailable,
            408 | 504 => Kind::DeadlineExceeded,
            529 => Kind::CapacityExhausted,
            _ => Kind::Internal,
        }
    }
}

// Not itself an `std::error::Error`: that would forbid the conversion below, as in `anyhow`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Error::internal(error.to_string())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}
