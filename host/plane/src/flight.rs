//! How many requests are being answered.

use std::time::Duration;

use tokio::sync::watch;

/// Counts requests in flight; clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Flights(watch::Sender<usize>);

impl Flights {
    pub(crate) fn new() -> Self {
        Flights(watch::Sender::new(0))
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }

    /// One more request, until the guard is dropped.
    pub(crate) fn board(&self) -> Flight {
        self.0.send_modify(|count| *count += 1);
        Flight(self.0.clone())
    }

    /// Waits until none is left; false if some are after `deadline`.
    pub(crate) async fn drained(&self, deadline: Duration) -> bool {
        let mut count = self.0.subscribe();
        // The sender lives in `self`, so that the wait itself cannot fail.
        tokio::time::timeout(deadline, count.wait_for(|count| *count == 0)).await.is_ok()
    }
}

/// One request in flight.
#[derive(Debug)]
pub(crate) struct Flight(watch::Sender<usize>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_the_last_request() {
        let flights = Flights::new();
        let (first, second) = (flights.board(), flights.board());
        assert_eq!(flights.count(), 2);
        drop(first);
        assert!(!flights.drained(Duration::ZERO).await);
        let waiting = tokio::spawn({
            let flights = flights.clone();
            async move { flights.drained(Duration::from_secs(60)).await }
        });
        drop(second);
        assert!(matches!(waiting.await, Ok(true)));
        assert_eq!(flights.count(), 0);
    }
}
