//! When the running call of an instance must have ended, and whose turn it is until then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use crate::lane::{Lane, Place};

/// Ticks a call may compute before it is taken for a long one. A call sees its first tick as soon as
/// it likes to come, the second after one whole tick.
pub(crate) const TICKS_IN_A_ROW: u64 = 2;

/// The deadline of one instance's running call. Clones are one deadline.
#[derive(Clone)]
pub(crate) struct Deadline {
    lane: Lane,
    turn: Arc<Mutex<Turn>>,
}

struct Turn {
    /// When the call must have ended.
    end: Instant,
    /// How much of it has passed in host calls.
    waited: Duration,
    /// Held while a call computes that has taken long.
    place: Option<Place>,
    /// Set when the call has queued for its turn, until it has gone on.
    queued: bool,
}

/// Why a tick ended a call.
#[derive(Debug, thiserror::Error)]
#[error("the call went on past its deadline")]
pub(crate) struct PastDeadline;

impl Deadline {
    pub(crate) fn after(time: Duration, lane: Lane) -> Self {
        let end = Instant::now() + time;
        let turn = Turn { end, waited: Duration::ZERO, place: None, queued: false };
        Deadline { lane, turn: Arc::new(Mutex::new(turn)) }
    }

    /// A call begins, for `time`.
    pub(crate) fn set_after(&self, time: Duration) {
        let mut turn = self.turn();
        turn.end = Instant::now() + time;
        turn.waited = Duration::ZERO;
        turn.queued = false;
    }

    /// The call has ended.
    pub(crate) fn give_way(&self) {
        self.turn().place = None;
    }

    /// How much of the call has passed in host calls.
    pub(crate) fn waited(&self) -> Duration {
        self.turn().waited
    }

    /// Waits for what a call asks of the host. The plugin does not compute meanwhile: the time is
    /// given back to it, its place to others.
    pub(crate) async fn suspend<T>(&self, host_call: impl Future<Output = T>) -> T {
        self.give_way();
        let asked = Instant::now();
        let answer = host_call.await;
        let mut turn = self.turn();
        let waited = asked.elapsed();
        turn.end += waited;
        turn.waited += waited;
        drop(turn);
        answer
    }

    /// A tick has come: ends the call, lets it go on, or lets others go first.
    pub(crate) fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let mut turn = self.turn();
        if Instant::now() >= turn.end {
            turn.place = None;
            return Err(PastDeadline.into());
        }
        if std::mem::take(&mut turn.queued) {
            return Ok(UpdateDeadline::Continue(1));
        }
        turn.place = None;
        let (waiting, end) = (self.clone(), turn.end);
        // Zero ticks: the deadline is looked at again when the turn has come.
        Ok(UpdateDeadline::YieldCustom(0, Box::pin(async move { waiting.queue(end).await })))
    }

    async fn queue(&self, end: Instant) {
        // A free place comes at once, and somebody else may want the thread.
        tokio::task::yield_now().await;
        let place = tokio::time::timeout_at(end.into(), self.lane.place()).await;
        let mut turn = self.turn();
        turn.place = place.ok().flatten();
        turn.queued = true;
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
