//! How an exchange fails.

use std::error::Error;
use std::io;
use std::iter;
use std::time::Duration;

use crate::events::TooLarge;

/// An exchange with the engine that failed.
///
/// A cause is kept as text, so that an error can be reported to every request it ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine's URL cannot be used.
    #[error("`{url}` is not an engine's URL: {why}; expected http://host:port")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The call cannot be written as HTTP: a defect of the plugin that planned it.
    #[error("the call of `{path}` is not valid HTTP: {why}")]
    BadCall {
        /// The call's path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection came about: the engine is not there, or not yet. It has not seen the call.
    #[error("cannot reach the engine at {address}: {why}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the system said.
        why: String,
    },
    /// The engine closed the connection before its answer was complete.
    #[error("the engine closed the connection before its answer was complete: {why}")]
    Closed {
        /// What hyper or the system said.
        why: String,
    },
    /// An event, or a body taken whole, is longer than allowed.
    #[error("the engine's answer has more than the {max} bytes allowed in one piece")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// What came is not HTTP.
    #[error("the engine's answer is not HTTP: {why}")]
    BadReply {
        /// What hyper said.
        why: String,
    },
    /// The answer was not complete within the time asked for.
    #[error("the engine did not answer GET {path} within {} s", timeout.as_secs_f32())]
    Timeout {
        /// The call's path.
        path: String,
        /// The time it had.
        timeout: Duration,
    },
}

impl EngineError {
    /// What hyper reports about a connection that came about.
    pub(super) fn from_hyper(error: &hyper::Error) -> Self {
        let why = chain(error);
        if error.is_parse() || is_malformed(error) {
            EngineError::BadReply { why }
        } else {
            EngineError::Closed { why }
        }
    }
}

impl From<TooLarge> for EngineError {
    fn from(error: TooLarge) -> Self {
        EngineError::TooLarge { max: error.max }
    }
}

/// Whether the connection was closed with no answer begun.
pub(super) fn is_closed(error: &hyper::Error) -> bool {
    let reset = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    error.is_incomplete_message() || system_error(error).is_some_and(|kind| reset.contains(&kind))
}

/// Whether the cause is bytes that make no sense, such as a broken chunk size, for which hyper's
/// error has no kind of its own.
fn is_malformed(error: &hyper::Error) -> bool {
    let malformed = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput];
    system_error(error).is_some_and(|kind| malformed.contains(&kind))
}

/// The kind of the first cause that is an error of reading or writing.
fn system_error(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut causes = iter::successors(error.source(), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
