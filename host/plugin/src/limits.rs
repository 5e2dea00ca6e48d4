//! What one plugin may use, and the resource limiter that holds it to that.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::MetricSink;

/// What one instance may use. The defaults suit every plugin we know by a wide margin.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance, in bytes. A decode plugin uses about 1 MiB.
    pub memory_bytes: usize,
    /// Images and videos one instance may hold in the host's memory at once, in bytes.
    pub media_bytes: u64,
    /// How long one call on a request's path (`plan`, `push`, `finish`, `rejected`) or of a route may
    /// compute. Such a call takes microseconds.
    pub call: Duration,
    /// How long `describe`, `prepare` or `configure` may take. They run once.
    pub startup_call: Duration,
    /// How long such a call may take with what it waits for in host calls: an engine that loads
    /// weights takes minutes, and so does a worker that makes a video.
    pub waiting_call: Duration,
    /// Instances at once: requests in flight and warm instances together. Each reserves 4 GiB of
    /// address space, of which 5,000 take a sixth of what a process has.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 64 << 20,
            media_bytes: 512 << 20,
            call: Duration::from_secs(2),
            startup_call: Duration::from_secs(20),
            waiting_call: Duration::from_secs(900),
            instances: 5_000,
        }
    }
}

/// Elements in one table: a component's function table has a few thousand.
const TABLE_ELEMENTS: usize = 20_000;

/// Refuses growth past the limits and remembers that it did, so that the trap that follows (an
/// allocator that gets no memory aborts) can be given its reason.
pub(crate) struct Limiter {
    memory_bytes: usize,
    pub(crate) refused: bool,
    metrics: Option<Arc<dyn MetricSink>>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits, metrics: Option<Arc<dyn MetricSink>>) -> Self {
        Limiter { memory_bytes: limits.memory_bytes, refused: false, metrics }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes;
        self.refused |= !allowed;
        if let Some(metrics) = self.metrics.as_ref().filter(|_| allowed) {
            metrics.instance_grew(desired);
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= TABLE_ELEMENTS;
        self.refused |= !allowed;
        Ok(allowed)
    }
}
