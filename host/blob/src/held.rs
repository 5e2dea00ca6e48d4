//! How much this process holds.

use std::sync::atomic::{AtomicU64, Ordering};

static BLOBS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// What the process holds at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Blobs; one that was cloned counts twice, though its bytes are there once.
    pub blobs: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What the process holds at the moment.
pub fn holdings() -> Holdings {
    Holdings { blobs: BLOBS.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) }
}

/// One blob among those held.
#[derive(Debug)]
pub(crate) struct Held(u64);

impl Held {
    pub(crate) fn new(bytes: u64) -> Self {
        BLOBS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes, Ordering::Relaxed);
        Held(bytes)
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Held::new(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        BLOBS.fetch_sub(1, Ordering::Relaxed);
        BYTES.fetch_sub(self.0, Ordering::Relaxed);
    }
}
