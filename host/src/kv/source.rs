//! The topics of one worker, of which there are others once the plane was renewed.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_failure::Failure;
use dynamo_host_kv::{Ledger, Outlet};
use dynamo_host_plane::{
    Chunks, Codec, EndpointId, Handler, KvSource, KvSourceOptions, Plane, PlaneError, Publisher,
    Request,
};
use futures::stream;
use serde_json::Value;

use super::Facts;

/// What is said while there is no connection to Dynamo.
const NOT_NOW: &str = "there is no connection to Dynamo at the moment";

/// One rank's KV events.
pub(super) struct Events {
    source: ArcSwapOption<KvSource>,
    worker: EndpointId,
    /// None for this process.
    worker_id: Option<u64>,
    state: Option<EndpointId>,
    rank: u32,
    /// What routers may ask; none if they may not.
    ledger: Option<Arc<Mutex<Ledger>>>,
}

impl Events {
    pub(super) async fn open(
        plane: &Plane,
        worker: &EndpointId,
        facts: &Facts,
        rank: u32,
        ledger: Arc<Mutex<Ledger>>,
    ) -> Result<Arc<Self>, PlaneError> {
        let events = Events {
            source: ArcSwapOption::empty(),
            worker: worker.clone(),
            worker_id: facts.worker_id,
            state: facts.state_endpoint.clone(),
            rank,
            ledger: facts.answers.then_some(ledger),
        };
        events.renew(plane).await?;
        Ok(Arc::new(events))
    }

    pub(super) async fn renew(&self, plane: &Plane) -> Result<(), PlaneError> {
        self.source.store(None);
        if let Some(ledger) = &self.ledger {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.renew(self.worker_id.unwrap_or_else(|| plane.instance_id()));
        }
        let recovery =
            self.ledger.clone().map(|ledger| Arc::new(Answers(ledger)) as Arc<dyn Handler>);
        let options = KvSourceOptions {
            worker: self.worker.clone(),
            worker_id: self.worker_id,
            state: self.state.clone(),
            rank: self.rank,
            recovery,
        };
        self.source.store(Some(Arc::new(plane.kv_source(options).await?)));
        Ok(())
    }

    pub(super) async fn close(&self) {
        if let Some(source) = self.source.swap(None) {
            source.close().await;
        }
    }
}

#[async_trait]
impl Outlet for Events {
    async fn publish(&self, message: Vec<u8>) -> Result<(), String> {
        let source = self.source.load_full().ok_or(NOT_NOW)?;
        source.publish(&message).await.map_err(|error| error.to_string())
    }
}

/// Answers routers that missed events.
struct Answers(Arc<Mutex<Ledger>>);

#[async_trait]
impl Handler for Answers {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let unreadable = |error: String| {
            Failure::invalid_request(format!("the question cannot be read: {error}"))
        };
        let query: Value = match request.codec {
            Codec::Json => serde_json::from_slice(&request.body)
                .map_err(|error| unreadable(error.to_string()))?,
            Codec::Msgpack => rmp_serde::from_slice(&request.body)
                .map_err(|error| unreadable(error.to_string()))?,
        };
        let ledger = self.0.clone();
        // A whole cache may take a while to write down.
        let answer = tokio::task::spawn_blocking(move || -> Bytes {
            ledger.lock().unwrap_or_else(PoisonError::into_inner).answer(&query)
        });
        let answer = answer.await.map_err(|error| Failure::internal(error.to_string()))?;
        Ok(Box::pin(stream::once(std::future::ready(Ok(answer)))))
    }
}

/// The metrics of forward passes, of all ranks.
pub(super) struct ForwardPasses {
    topic: ArcSwapOption<Publisher>,
    endpoint: EndpointId,
}

impl ForwardPasses {
    pub(super) async fn open(
        plane: &Plane,
        endpoint: &EndpointId,
    ) -> Result<Arc<Self>, PlaneError> {
        let passes = ForwardPasses { topic: ArcSwapOption::empty(), endpoint: endpoint.clone() };
        passes.renew(plane).await?;
        Ok(Arc::new(passes))
    }

    pub(super) async fn renew(&self, plane: &Plane) -> Result<(), PlaneError> {
        let topic = plane.publisher(&self.endpoint, "forward-pass-metrics").await?;
        self.topic.store(Some(Arc::new(topic)));
        Ok(())
    }
}

#[async_trait]
impl Outlet for ForwardPasses {
    async fn publish(&self, message: Vec<u8>) -> Result<(), String> {
        let topic = self.topic.load_full().ok_or(NOT_NOW)?;
        topic.publish(&message).await.map_err(|error| error.to_string())
    }
}
