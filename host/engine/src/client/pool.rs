//! Connections between two requests.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::connection::Connection;

/// How long a connection may wait for its next request.
///
/// Much shorter than the 5 s after which uvicorn (SGLang's server) and cpp-httplib (llama.cpp's)
/// close an idle connection. A request written to one that is just being closed is sent again by the
/// client, but the engine may have begun to work on it. On a machine that is short of processors we
/// learn late that an answer has ended, and the engine counts from its own last byte.
const MAX_IDLE: Duration = Duration::from_secs(1);

/// How many connections may wait. More come about when needed and are closed after use.
const MAX_CONNECTIONS: usize = 256;

#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Idle>>);

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A connection that is still open, the one used last. Closes those that waited too long.
    pub(super) async fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, .. } = {
                let mut idle = self.idle();
                idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
                idle.pop()?
            };
            if poll_fn(|cx| Poll::Ready(connection.poll_reusable(cx))).await {
                return Some(connection);
            }
        }
    }

    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < MAX_CONNECTIONS {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    pub(super) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle().len()).finish()
    }
}
