//! The worker's place in discovery, for routes that take its engine out of use and bring it back.
//! Using this makes the component import `dynamo:worker/service`.

use crate::bindings::dynamo::worker::service as host;
use crate::{Error, Result};

/// Leaves discovery for `reason`. What is in flight goes on, and what was on its way is served.
///
/// # Errors
/// Discovery does not answer.
pub fn leave(reason: &str) -> Result<()> {
    host::leave(reason).map_err(Error::from_failure)
}

/// Takes `reason` back. With the last one the worker takes requests and comes back into discovery.
///
/// # Errors
/// Discovery does not answer.
pub fn rejoin(reason: &str) -> Result<()> {
    host::rejoin(reason).map_err(Error::from_failure)
}

/// The reasons that stand.
pub fn reasons() -> Vec<String> {
    host::reasons()
}

/// Waits until no request is in flight, and has the host refuse what still comes; with `hand_over`
/// ends those that are, so that frontends send them to another worker.
///
/// # Errors
/// [`Kind::DeadlineExceeded`](crate::Kind) after `--drain-timeout`; requests are then taken as before.
pub fn drain(hand_over: bool) -> Result<()> {
    host::drain(hand_over).map_err(Error::from_failure)
}
