//! As many requests in the engine at once as it works on; the others wait here.
//!
//! Engines that take one at a time have queues of their own, but most never give anything back: a
//! client that leaves such a queue would still be served.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places at one engine. Clones are the same places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    count: Option<u32>,
    places: Option<Arc<Semaphore>>,
}

/// A place, until it is dropped.
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// `count` places; none for as many as come.
    pub(crate) fn new(count: Option<u32>) -> Self {
        let places = count.map(|count| Arc::new(Semaphore::new(count.max(1) as usize)));
        Slots { count, places }
    }

    /// Whether there are as many places as in `other`.
    pub(crate) fn are_as_many_as(&self, other: &Slots) -> bool {
        self.count == other.count
    }

    /// Waits for a place. Who comes first is served first.
    pub(crate) async fn take(&self) -> Slot {
        let permit = match &self.places {
            // Never closed.
            Some(places) => places.clone().acquire_owned().await.ok(),
            None => None,
        };
        Slot { _permit: permit }
    }

    /// Whether whoever comes now would have to wait.
    pub(crate) fn are_taken(&self) -> bool {
        self.places.as_ref().is_some_and(|places| places.available_permits() == 0)
    }
}
