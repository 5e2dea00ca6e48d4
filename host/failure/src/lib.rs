//! The one vocabulary of failures: what a plugin raises, what the host raises on its behalf, what
//! the Dynamo plane sends and what `dynamo-host check` prints.
//!
//! A [`Kind`] is one of Dynamo's error classes (`dynamo-runtime` 1.6.1, `error.rs`), under Dynamo's
//! name. The set is closed: a frontend treats a pair of class and reason it does not know as an
//! internal error, and an error without a class as a lost connection, which takes the worker out of
//! routing for everybody. Nothing but a [`Failure`] may therefore reach the plane.

use std::fmt;

/// What went wrong, as Dynamo's closed set of error classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// 400. The request is malformed, or asks for what this worker cannot do.
    InvalidRequest,
    /// 401.
    Unauthenticated,
    /// 403.
    PermissionDenied,
    /// 404. An unknown model, adapter, route or stored object.
    NotFound,
    /// 409. For example an adapter that is already being loaded.
    Conflict,
    /// 413. A prompt or a medium over a limit.
    PayloadTooLarge,
    /// 415. A medium or output format this worker cannot handle.
    UnsupportedMedia,
    /// 429.
    RateLimited,
    /// 529. This worker is full; another one may have room.
    CapacityExhausted,
    /// 499. The client went away.
    Cancelled,
    /// 503. This worker is going away; the frontend may migrate the request to another.
    Unavailable,
    /// 502. The engine answered something the plugin could not make sense of.
    BackendProtocol,
    /// 504.
    DeadlineExceeded,
    /// 501.
    NotImplemented,
    /// 500. A defect: a trapped plugin among others.
    Internal,
}

impl Kind {
    /// Every kind, in the order of the WIT enum `dynamo:worker/types.kind`.
    pub const ALL: [Kind; 15] = [
        Kind::InvalidRequest,
        Kind::Unauthenticated,
        Kind::PermissionDenied,
        Kind::NotFound,
        Kind::Conflict,
        Kind::PayloadTooLarge,
        Kind::UnsupportedMedia,
        Kind::RateLimited,
        Kind::CapacityExhausted,
        Kind::Cancelled,
        Kind::Unavailable,
        Kind::BackendProtocol,
        Kind::DeadlineExceeded,
        Kind::NotImplemented,
        Kind::Internal,
    ];

    /// Dynamo's name of the class, as it travels on the wire and stands in case files.
    pub const fn class(self) -> &'static str {
        match self {
            Kind::InvalidRequest => "InvalidRequest",
            Kind::Unauthenticated => "Unauthenticated",
            Kind::PermissionDenied => "PermissionDenied",
            Kind::NotFound => "NotFound",
            Kind::Conflict => "Conflict",
            Kind::PayloadTooLarge => "PayloadTooLarge",
            Kind::UnsupportedMedia => "UnsupportedMedia",
            Kind::RateLimited => "RateLimited",
            Kind::CapacityExhausted => "CapacityExhausted",
            Kind::Cancelled => "Cancelled",
            Kind::Unavailable => "Unavailable",
            Kind::BackendProtocol => "BackendProtocol",
            Kind::DeadlineExceeded => "DeadlineExceeded",
            Kind::NotImplemented => "NotImplemented",
            Kind::Internal => "Internal",
        }
    }

    /// The registered reason that goes with the class (`dynamo-runtime` rewrites an unregistered
    /// pair to `runtime.invalid_error`).
    pub const fn reason(self) -> &'static str {
        match self {
            Kind::InvalidRequest => "backend.invalid_argument",
            Kind::Unauthenticated => "request.unauthenticated",
            Kind::PermissionDenied => "request.permission_denied",
            Kind::NotFound => "request.not_found",
            Kind::Conflict => "request.conflict",
            Kind::PayloadTooLarge => "request.payload_too_large",
            Kind::UnsupportedMedia => "request.unsupported_media",
            Kind::RateLimited => "request.rate_limited",
            Kind::CapacityExhausted => "capacity.worker_overloaded",
            Kind::Cancelled => "request.cancelled",
            Kind::Unavailable => "backend.engine_shutdown",
            Kind::BackendProtocol => "backend.protocol",
            Kind::DeadlineExceeded => "request.deadline_exceeded",
            Kind::NotImplemented => "runtime.not_implemented",
            Kind::Internal => "backend.unknown",
        }
    }

    /// The HTTP status a client of the frontend sees.
    pub const fn status(self) -> u16 {
        match self {
            Kind::InvalidRequest => 400,
            Kind::Unauthenticated => 401,
            Kind::PermissionDenied => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::PayloadTooLarge => 413,
            Kind::UnsupportedMedia => 415,
            Kind::RateLimited => 429,
            Kind::CapacityExhausted => 529,
            Kind::Cancelled => 499,
            Kind::Unavailable => 503,
            Kind::BackendProtocol => 502,
            Kind::DeadlineExceeded => 504,
            Kind::NotImplemented => 501,
            Kind::Internal => 500,
        }
    }

    /// Whether Dynamo's frontend may send the request to another worker
    /// (`--migration-limit`, triggered by the reason).
    pub const fn is_migratable(self) -> bool {
        matches!(self, Kind::Unavailable | Kind::CapacityExhausted)
    }

    /// The kind whose class has this name.
    pub fn from_class(class: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.class() == class)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class())
    }
}

/// One failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    /// What went wrong, for programs.
    pub kind: Kind,
    /// What went wrong, for people: what was wrong and what to do.
    pub message: String,
    /// Whether the client may see `message`. If not, the frontend shows its own text for the
    /// class, and the message stays in our log and in the error's diagnostic.
    pub public: bool,
}

impl Failure {
    /// A failure whose message stays inside.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), public: false }
    }

    /// A failure whose message the client may read.
    pub fn public(kind: Kind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), public: true }
    }

    /// The caller's fault; the message names the member that was wrong.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Failure::public(Kind::InvalidRequest, message)
    }

    /// The engine is gone or going: another worker may take the request over.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Failure::new(Kind::Unavailable, message)
    }

    /// A defect of ours or of the plugin.
    pub fn internal(message: impl Into<String>) -> Self {
        Failure::new(Kind::Internal, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_name_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_class(kind.class()), Some(kind));
            assert!((400..=599).contains(&kind.status()));
        }
        assert_eq!(Kind::from_class("Unknown"), None);
    }
}
