//! Who may come in with a request, and the way to send out those who are in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{AbortHandle, AbortRegistration};

/// The door of a worker. Open at first; clones are the same door.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    closed: AtomicBool,
    entered: AtomicU64,
    /// Of those inside. Touched when one comes or goes, not while it stays.
    inside: Mutex<HashMap<u64, AbortHandle>>,
}

/// One request inside, until it is dropped.
#[derive(Debug)]
pub struct Guest {
    door: Door,
    number: u64,
}

impl Door {
    /// Comes in, with the end of what [`Door::send_out`] says; none while the door is closed.
    pub fn enter(&self) -> Option<(Guest, AbortRegistration)> {
        let number = self.0.entered.fetch_add(1, Ordering::Relaxed);
        let (handle, registration) = AbortHandle::new_pair();
        let mut inside = self.inside();
        if self.is_closed() {
            return None;
        }
        inside.insert(number, handle);
        Some((Guest { door: self.clone(), number }, registration))
    }

    /// Nobody comes in any more.
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }

    /// Everybody comes in again.
    pub fn open(&self) {
        self.0.closed.store(false, Ordering::SeqCst);
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// Tells all who are inside to go; how many they are.
    pub fn send_out(&self) -> usize {
        let inside = self.inside();
        inside.values().for_each(AbortHandle::abort);
        inside.len()
    }

    fn inside(&self) -> MutexGuard<'_, HashMap<u64, AbortHandle>> {
        self.0.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.door.inside().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::stream::{self, Abortable, StreamExt};

    use super::*;

    #[tokio::test]
    async fn those_inside_are_sent_out_and_nobody_comes_in_where_it_is_closed() {
        let door = Door::default();
        let (guest, registration) = door.enter().unwrap();
        let mut waiting = Abortable::new(stream::pending::<()>(), registration);
        door.close();
        assert!(door.enter().is_none());
        assert_eq!(door.send_out(), 1);
        assert_eq!(waiting.next().await, None);
        assert!(waiting.is_aborted());
        drop(guest);
        assert_eq!(door.send_out(), 0);
        door.open();
        assert!(door.enter().is_some());
    }
}
