//! What stands behind an endpoint, and what it is handed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_failure::Failure;
use dynamo_runtime::engine::AsyncEngineContext;
use dynamo_runtime::pipeline::context::Controller;
use futures::Stream;

/// The chunks of one response. Each item is one MessagePack value with string keys (what Dynamo
/// calls the engine's output); it is sent as it is, without being read. A failure ends the stream.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

/// Answers the requests of one endpoint.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// A client that does not stream gets a failure, here or in the stream, as the HTTP status of
    /// its kind. One that streams gets it as an event of its stream, except for an invalid request
    /// refused here, which has its status there too. A panic in either becomes an internal failure
    /// of this request.
    ///
    /// A request whose client has left goes on until the handler or its stream ends: it is theirs
    /// to watch [`Request::cancelled`], so that they can tell the engine. A frontend that dies
    /// without a word is noticed by the next chunk only; the stream is then dropped where it is.
    async fn handle(&self, request: Request) -> Result<Chunks, Failure>;
}

/// One request as it arrived.
#[derive(Debug)]
pub struct Request {
    /// Dynamo's id of the request, the one in the frontend's log. A client may choose it.
    pub id: String,
    /// The payload, not decoded.
    pub body: Bytes,
    /// The encoding of `body`.
    pub codec: Codec,
    /// `traceparent` and `tracestate` for calls made on behalf of the request. Empty unless
    /// logging carries traces (`DYN_LOGGING_JSONL`, or an OpenTelemetry exporter).
    pub trace_headers: Vec<(String, String)>,
    /// Fires when nobody waits for the answer any more.
    pub cancelled: Cancelled,
    /// A health check of our own, not a client's request.
    pub probe: bool,
}

/// How a payload is encoded. The frontend chooses, by what the worker's record offers
/// (`DYN_REQUEST_PLANE_CODEC`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// MessagePack, maps with string keys.
    Msgpack,
    /// JSON in UTF-8: frontends before 1.1, and workers told to.
    Json,
}

/// Whether, and when, a request was given up: the client left, or the frontend stopped or killed
/// the response. Cheap to clone.
#[derive(Clone)]
pub struct Cancelled(Arc<dyn AsyncEngineContext>);

impl Cancelled {
    pub(crate) fn new(context: Arc<dyn AsyncEngineContext>) -> Self {
        Cancelled(context)
    }

    /// A signal that somebody in this process gives.
    pub fn pair() -> (Cancel, Cancelled) {
        let controller: Arc<dyn AsyncEngineContext> = Arc::new(Controller::default());
        (Cancel(controller.clone()), Cancelled(controller))
    }

    /// Whether the request was given up.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_stopped()
    }

    /// Waits until the request is given up; for ever if it never is.
    pub async fn cancelled(&self) {
        self.0.stopped().await;
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled").field(&self.is_cancelled()).finish()
    }
}

/// The giving end of [`Cancelled::pair`].
#[derive(Debug)]
pub struct Cancel(Arc<dyn AsyncEngineContext>);

impl Cancel {
    /// Gives the request up. A second call does nothing.
    pub fn cancel(&self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cancel_reaches_every_clone() {
        let (cancel, cancelled) = Cancelled::pair();
        let clone = cancelled.clone();
        assert!(!clone.is_cancelled());
        cancel.cancel();
        clone.cancelled().await;
        assert!(cancelled.is_cancelled() && clone.is_cancelled());
    }
}
