//! When the running call of an instance must have ended.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// When the running call must have ended; read at every epoch tick.
pub(crate) struct Deadline(Mutex<Instant>);

/// Why a tick ended a call.
#[derive(Debug, thiserror::Error)]
#[error("the call went on past its deadline")]
pub(crate) struct PastDeadline;

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Deadline(Mutex::new(Instant::now() + time))
    }

    pub(crate) fn set_after(&self, time: Duration) {
        *self.at() = Instant::now() + time;
    }

    /// Gives back time that passed in a host call: the plugin did not compute meanwhile.
    pub(crate) fn extend(&self, waited: Duration) {
        *self.at() += waited;
    }

    pub(crate) fn has_passed(&self) -> bool {
        Instant::now() >= *self.at()
    }

    fn at(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
