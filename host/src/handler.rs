//! Between Dynamo's endpoint and the worker of the moment.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_engine::Client;
use dynamo_host_failure::Failure;
use dynamo_host_plane::{Chunks, Codec, Handler, Request};
use dynamo_host_request::{self as request, Incoming, Worker};
use futures::stream;

/// Hands requests to the current worker. A request keeps the worker it began with.
pub struct WorkerHandler {
    current: ArcSwap<Worker<Option<Client>>>,
}

impl WorkerHandler {
    /// Begins with `worker`.
    pub fn new(worker: Worker<Option<Client>>) -> Self {
        WorkerHandler { current: ArcSwap::from_pointee(worker) }
    }

    /// Gives the requests that start from now on to `worker`: after the engine was restarted, and
    /// so has reported anew.
    pub fn replace(&self, worker: Worker<Option<Client>>) {
        self.current.store(Arc::new(worker));
    }

    /// What the plugin's `configure` made of the engine that runs.
    pub fn state(&self) -> Vec<u8> {
        self.current.load().state().to_vec()
    }

    /// See [`Worker::leave`].
    pub fn leave(&self) {
        self.current.load().leave();
    }
}

/// An empty map in MessagePack: all the answer a health check gets from an engine that has no time.
const AT_WORK: &[u8] = &[0x80];

#[async_trait]
impl Handler for WorkerHandler {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let Request { id, body, codec, trace_headers, cancelled, probe } = request;
        let worker = self.current.load_full();
        // A check that waited for a video to be made would come too late and say that the worker does
        // not work. Should the engine fail, so do the requests it works on, and the next check gets
        // to it.
        if probe && worker.is_fully_at_work() {
            return Ok(Box::pin(stream::once(async { Ok(Bytes::from_static(AT_WORK)) })));
        }
        let incoming = Incoming {
            id,
            payload: body,
            codec: match codec {
                Codec::Msgpack => request::Codec::Msgpack,
                Codec::Json => request::Codec::Json,
            },
            trace_headers,
            probe,
            cancelled: Box::pin(async move { cancelled.cancelled().await }),
        };
        match worker.respond(incoming).await {
            Ok(response) => Ok(Box::pin(response.into_stream())),
            Err(failure) => {
                tracing::debug!(%failure, "request refused");
                Err(failure)
            }
        }
    }
}
