//! Where calls go on that take long, so that they cannot take every thread from those that do not.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A few places for many calls, each of which gives its place up at every tick and queues for it
/// again. However many loop: half of the machine's threads are left to the others.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Semaphore>);

/// A place in the lane.
pub(crate) type Place = OwnedSemaphorePermit;

impl Lane {
    pub(crate) fn new() -> Self {
        let threads = available_parallelism().map_or(1, usize::from);
        Lane(Arc::new(Semaphore::new((threads / 2).max(1))))
    }

    /// A place, after those who asked before.
    pub(crate) async fn place(&self) -> Option<Place> {
        self.0.clone().acquire_owned().await.ok()
    }
}
