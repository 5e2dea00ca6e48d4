//! One HTTP exchange with the engine, on hyper's connection API.
//!
//! A connection is driven by whoever reads its answer, not by a task of its own. So nothing is read
//! that nobody asked for (a slow reader slows the engine down through TCP), everything that has
//! arrived is there to take without a turn of the scheduler for each chunk, and dropping a
//! [`Reply`] closes its connection there and then, which is how an engine learns that nobody wants
//! the rest.
//!
//! An engine may close an idle connection at any time, also while a request is on its way to it:
//! llama.cpp's server does when it has more connections than threads. So a call is sent again, once and
//! over a new connection, if the one that had waited closed without a byte of an answer. Most likely
//! the engine never saw it; a call it must not see twice goes over a new connection to begin with
//! ([`Call::repeatable`]). Nothing else is retried.

mod call;
mod connection;
mod error;
mod pool;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use call::Call;
pub use error::EngineError;
pub use reply::Reply;

use call::Target;
use connection::{Connection, Unsent};
use pool::Pool;

use crate::events::Framing;

/// What a client accepts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest event, in bytes; with [`Framing::Whole`] the longest body. It bounds what one
    /// answer may hold in memory. Default: 64 MiB, which leaves room for an image in base64.
    pub max_event_bytes: usize,
    /// How long a connection may take to come about. Default: 5 s.
    pub connect_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_event_bytes: 64 << 20, connect_timeout: Duration::from_secs(5) }
    }
}

/// Talks to one engine over pooled HTTP/1.1 connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Client {
    target: Arc<Target>,
    limits: Limits,
    pool: Arc<Pool>,
}

impl Client {
    /// For the engine at `base`: `http://host:port`, and a prefix of all paths if it has one.
    ///
    /// # Errors
    /// [`EngineError::BadUrl`] if `base` is not such a URL. Nothing is connected yet.
    pub fn new(base: &str, limits: Limits) -> Result<Self, EngineError> {
        let target = Arc::new(Target::parse(base)?);
        Ok(Client { target, limits, pool: Arc::default() })
    }

    /// Where the engine is, as `host:port`.
    pub fn address(&self) -> &str {
        self.target.address()
    }

    /// Sends the call and resolves at the head of the answer, whatever its status.
    ///
    /// There is no limit on how long the engine may think: that is the request's deadline, not
    /// ours. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`EngineError::BadCall`] if the call is not valid HTTP, [`EngineError::Unreachable`] if no
    /// connection came about, [`EngineError::Closed`] if it closed before an answer,
    /// [`EngineError::BadReply`] if what came is not HTTP.
    pub async fn send(&self, call: Call) -> Result<Reply, EngineError> {
        let mut request = self.target.request(&call)?;
        let framing = call.framing;
        while call.repeatable
            && let Some(mut connection) = self.pool.take().await
        {
            match connection.send(request).await {
                Ok(answer) => return Ok(self.reply(answer, connection, framing)),
                Err(Unsent { request: Some(unsent), .. }) => request = unsent,
                Err(Unsent { error, .. }) if error::is_closed(&error) => {
                    request = self.target.request(&call)?;
                    break;
                }
                Err(Unsent { error, .. }) => return Err(EngineError::from_hyper(&error)),
            }
        }
        let mut connection = Connection::open(&self.target, self.limits.connect_timeout).await?;
        match connection.send(request).await {
            Ok(answer) => Ok(self.reply(answer, connection, framing)),
            Err(Unsent { error, .. }) => Err(EngineError::from_hyper(&error)),
        }
    }

    /// A GET whose whole answer is wanted soon: status and body.
    ///
    /// # Errors
    /// Those of [`Client::send`] and [`Reply::whole`], and [`EngineError::Timeout`] if it took
    /// longer than `timeout`.
    pub async fn get(
        &self,
        path: &str,
        timeout: Duration,
        max_bytes: usize,
    ) -> Result<(u16, Bytes), EngineError> {
        let exchange = async {
            let reply = self.send(Call::get(path)).await?;
            let status = reply.status();
            Ok((status, reply.whole(max_bytes).await?))
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(EngineError::Timeout { path: path.to_owned(), timeout }))
    }

    /// Whether anybody takes connections where the engine is, or is to be.
    pub(crate) async fn is_listening(&self) -> bool {
        Connection::open(&self.target, self.limits.connect_timeout).await.is_ok()
    }

    /// Closes the connections that are not in use, for an engine that is gone.
    pub(crate) fn forget_idle(&self) {
        self.pool.clear();
    }

    fn reply(
        &self,
        answer: http::Response<hyper::body::Incoming>,
        connection: Connection,
        framing: Framing,
    ) -> Reply {
        Reply::new(answer, connection, framing, self.limits.max_event_bytes, self.pool.clone())
    }
}
