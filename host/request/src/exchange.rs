//! The engine as a response sees it: something that answers calls.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use dynamo_host_engine::{Call, Client, EngineError};
use dynamo_host_failure::{Failure, Kind};

/// Answers calls: an engine's [`Client`], or a script.
pub trait Exchange: Send + Sync + 'static {
    /// The answer to one call.
    type Reply: Reply;

    /// Sends `call`; resolves at the head of the answer.
    ///
    /// # Errors
    /// See [`EngineError`].
    fn send(&self, call: Call) -> impl Future<Output = Result<Self::Reply, EngineError>> + Send;

    /// Lets time pass between two calls.
    fn wait(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// One answer. Dropping it before its end closes the connection.
pub trait Reply: Send + 'static {
    /// The HTTP status.
    fn status(&self) -> u16;

    /// Waits for at least one event, then appends what has arrived to `batch`, at most `max`.
    /// Returns how many; 0 at the end of the answer.
    ///
    /// # Errors
    /// See [`EngineError`].
    fn next(
        &mut self,
        batch: &mut Vec<Bytes>,
        max: usize,
    ) -> impl Future<Output = Result<usize, EngineError>> + Send;

    /// The value of the header `content-type`.
    fn content_type(&self) -> Option<&str>;

    /// The next bytes of the body, uncut; none at its end. Instead of [`next`](Reply::next).
    ///
    /// # Errors
    /// See [`EngineError`].
    fn frame(&mut self) -> impl Future<Output = Result<Option<Bytes>, EngineError>> + Send;

    /// The whole body.
    ///
    /// # Errors
    /// See [`EngineError`]; more than `max_bytes` is one.
    fn whole(self, max_bytes: usize) -> impl Future<Output = Result<Bytes, EngineError>> + Send;
}

impl Exchange for Client {
    type Reply = dynamo_host_engine::Reply;

    async fn send(&self, call: Call) -> Result<Self::Reply, EngineError> {
        Client::send(self, call).await
    }
}

/// The engine of a worker that may have none.
impl Exchange for Option<Client> {
    type Reply = dynamo_host_engine::Reply;

    async fn send(&self, call: Call) -> Result<Self::Reply, EngineError> {
        let Some(client) = self else {
            let why = "the worker has no engine, by its plugin's own account".to_owned();
            return Err(EngineError::BadCall { path: call.path, why });
        };
        client.send(call).await
    }
}

impl Reply for dynamo_host_engine::Reply {
    fn status(&self) -> u16 {
        self.status()
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, max: usize) -> Result<usize, EngineError> {
        self.next(batch, max).await
    }

    fn content_type(&self) -> Option<&str> {
        self.content_type()
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        self.frame().await
    }

    async fn whole(self, max_bytes: usize) -> Result<Bytes, EngineError> {
        self.whole(max_bytes).await
    }
}

/// What a failed exchange means for the request: an engine that is gone is no fault of the request,
/// so another worker may have it.
pub(crate) fn failure(error: &EngineError) -> Failure {
    let kind = match error {
        EngineError::Unreachable { .. } | EngineError::Closed { .. } => Kind::Unavailable,
        EngineError::TooLarge { .. } | EngineError::BadReply { .. } => Kind::BackendProtocol,
        EngineError::Timeout { .. } => Kind::DeadlineExceeded,
        EngineError::BadUrl { .. } | EngineError::BadCall { .. } => Kind::Internal,
    };
    Failure::new(kind, error.to_string())
}
