//! Work that must not slow down what serves.

use std::io;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

/// A thread that gives way to all others. Clones are the same thread, which ends with the last.
#[derive(Clone)]
pub(crate) struct Background(Arc<ThreadPool>);

impl Background {
    /// Starts it.
    pub(crate) fn new() -> io::Result<Self> {
        // A pool, since wasmtime compiles on the one it is called in.
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "plugin-background".into())
            .start_handler(|_| give_way())
            .build()
            .map_err(io::Error::other)?;
        Ok(Background(Arc::new(pool)))
    }

    /// Runs `work` there. None if it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        self.0.spawn(move || {
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // Whoever waited may have gone.
            let _ = done.send(worked.ok());
        });
        result.await.ok().flatten()
    }
}

/// Leaves the processors to other threads, but for a tenth where they want all: on Linux, each thread
/// has a niceness. With the least there is, a new version would never be ready on a busy machine.
pub fn give_way() {
    const LOW: i32 = 10;
    if let Err(error) = rustix::process::setpriority_process(None, LOW) {
        tracing::debug!("a background thread keeps its priority: {error}");
    }
}
