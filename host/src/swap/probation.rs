//! Whether a new version fails more than the one before it.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// As many failures as must have been seen: one may be anybody's.
const LEAST: u64 = 3;

/// How much worse a rate of failures must be to count: so many times, and so much more.
const TIMES: f64 = 2.0;
const MARGIN: f64 = 0.005;

/// How far beyond that, in standard deviations of what chance adds: it is asked after every failure, and
/// an engine that garbles its answers now and then would have any version sent back by bad luck.
const CHANCE: f64 = 3.0;

/// The requests of one version that have ended, and those of them that the plugin itself failed: by
/// a trap, a deadline it missed, an internal failure. Not what clients or the engine did.
#[derive(Debug, Default)]
pub struct Tally {
    ended: AtomicU64,
    failed: watch::Sender<u64>,
}

/// What a [`Tally`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that have ended.
    pub ended: u64,
    /// Those the plugin failed.
    pub failed: u64,
}

impl Tally {
    /// One more request has ended.
    pub fn count(&self, failed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failed.send_modify(|failed| *failed += 1);
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let failed = *self.failed.borrow();
        Counts { ended: self.ended.load(Ordering::Relaxed).max(failed), failed }
    }

    /// Waits until it is worse than `before`; for ever if it never is.
    async fn worse_than(&self, before: Counts) -> Counts {
        let mut failed = self.failed.subscribe();
        loop {
            let now = self.counts();
            if now.is_worse_than(before) {
                return now;
            }
            if failed.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}

impl Counts {
    fn rate(self) -> f64 {
        if self.ended == 0 { 0.0 } else { self.failed as f64 / self.ended as f64 }
    }

    /// Whether a version with these counts is so much worse than one with those of `before` that it
    /// must go.
    pub fn is_worse_than(self, before: Counts) -> bool {
        let expected = self.ended as f64 * (TIMES * before.rate() + MARGIN);
        self.failed >= LEAST && self.failed as f64 > expected + CHANCE * expected.sqrt()
    }
}

/// The time in which a version can be sent back.
#[derive(Clone, Copy, Debug)]
pub struct Probation {
    until: Instant,
    before: Counts,
}

impl Probation {
    /// Begins one of `length`, against the version before it, which has these counts.
    pub fn begin(length: Duration, before: Counts) -> Self {
        Probation { until: Instant::now() + length, before }
    }

    /// Waits for its end: the counts with which the version of `tally` has failed it, or none if it
    /// has passed.
    pub async fn end(self, tally: &Tally) -> Option<Counts> {
        tokio::select! {
            biased;
            counts = tally.worse_than(self.before) => Some(counts),
            () = tokio::time::sleep_until(self.until) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(failed: u64, ended: u64) -> Counts {
        Counts { ended, failed }
    }

    #[test]
    fn a_version_must_fail_often_and_more_often_than_the_one_before() {
        let none = Counts::default();
        assert!(!counts(2, 2).is_worse_than(none));
        assert!(counts(3, 14).is_worse_than(none));
        assert!(!counts(3, 1_000).is_worse_than(none));
        assert!(!counts(20, 100).is_worse_than(counts(15, 100)));
        assert!(counts(50, 100).is_worse_than(counts(15, 100)));
    }

    #[test]
    fn bad_luck_sends_nobody_back() {
        // 1 in 13 of either fails.
        assert!(!counts(3, 9).is_worse_than(counts(77, 1_000)));
        assert!(!counts(12, 60).is_worse_than(counts(77, 1_000)));
        assert!(counts(6, 9).is_worse_than(counts(77, 1_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probation_ends_with_the_failure_that_is_too_much_or_in_time() {
        let tally = Tally::default();
        let probation = Probation::begin(Duration::from_secs(60), Counts::default());
        for failed in [true, false, true] {
            tally.count(failed);
        }
        let (ended, ()) = tokio::join!(probation.end(&tally), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            tally.count(true);
        });
        assert_eq!(ended, Some(counts(3, 4)));

        let well = Tally::default();
        well.count(false);
        let probation = Probation::begin(Duration::from_secs(60), Counts::default());
        assert_eq!(probation.end(&well).await, None);
    }
}
