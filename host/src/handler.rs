//! Between Dynamo's endpoint and the version of the moment.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_engine::Client;
use dynamo_host_failure::Failure;
use dynamo_host_plane::{Chunks, Codec, Handler, Request};
use dynamo_host_request::{self as request, Incoming, Response};
use futures::{Stream, stream};

use crate::version::Version;

/// Hands requests to the current version. A request keeps the version it began with.
pub struct WorkerHandler {
    current: ArcSwap<Version>,
    /// The versions that may still be at work, the current one last.
    live: Mutex<Vec<Weak<Version>>>,
}

impl WorkerHandler {
    /// Begins with `version`.
    pub fn new(version: Version) -> Self {
        version.begin();
        let version = Arc::new(version);
        let live = Mutex::new(vec![Arc::downgrade(&version)]);
        WorkerHandler { current: ArcSwap::new(version), live }
    }

    /// The version that requests get which start now.
    pub fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Gives the requests that start from now on to `version`. Returns the one before it.
    pub fn replace(&self, version: Arc<Version>) -> Arc<Version> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&Arc::downgrade(&version)));
        live.push(Arc::downgrade(&version));
        version.begin();
        self.current.swap(version)
    }

    /// The versions that serve requests or could, the current one last.
    pub fn live(&self) -> Vec<Arc<Version>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().filter_map(Weak::upgrade).collect()
    }

    /// See [`request::Worker::leave`].
    pub fn leave(&self) {
        self.live().iter().for_each(|version| version.worker().leave());
    }
}

/// An empty map in MessagePack: all the answer a health check gets from an engine that has no time.
const AT_WORK: &[u8] = &[0x80];

#[async_trait]
impl Handler for WorkerHandler {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let Request { id, body, codec, trace_headers, cancelled, probe } = request;
        let version = self.current();
        // A check that waited for a video to be made would come too late and say that the worker does
        // not work. Should the engine fail, so do the requests it works on, and the next check gets
        // to it.
        if probe && version.worker().is_fully_at_work() {
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
        let mut turn = Turn::begin(version, probe);
        match turn.version.worker().respond(incoming).await {
            Ok(response) => Ok(Box::pin(turn.answer(response))),
            Err(failure) => {
                // No engine has been asked yet: what is no refusal is the plugin's failure.
                turn.failed = request::is_plugins(failure.kind);
                tracing::debug!(%failure, "request refused");
                Err(failure)
            }
        }
    }
}

/// One request with its version, until its answer has ended.
struct Turn {
    version: Arc<Version>,
    probe: bool,
    /// Whether the plugin is to blame for the end.
    failed: bool,
}

impl Turn {
    fn begin(version: Arc<Version>, probe: bool) -> Self {
        if !probe {
            version.take_off();
        }
        Turn { version, probe, failed: false }
    }

    fn answer(
        self,
        response: Response<Option<Client>>,
    ) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
        stream::unfold((response, self), |(mut response, mut turn)| async move {
            let item = response.next().await?;
            turn.failed = response.is_plugins_failure();
            Some((item, (response, turn)))
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.probe {
            self.version.land(self.failed);
        }
    }
}
