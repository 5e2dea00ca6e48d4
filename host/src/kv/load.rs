//! How full the engine is, for routers and for `/metrics`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use dynamo_host_engine::Client;
use dynamo_host_kv::{Load, LoadOutlet};
use dynamo_host_plane::{EndpointId, Plane, PlaneError, Publisher};

use crate::metrics::{KvGauges, Metrics};

/// Between questions. SGLang's server answers from memory its schedulers write to, so that it costs
/// them nothing.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest answer in time and in bytes.
const ANSWER: (Duration, usize) = (Duration::from_secs(5), 1 << 20);
/// A load that does not change is said again, for routers that come later.
const AGAIN: Duration = Duration::from_secs(5);

/// Takes the loads of all ranks.
pub(super) struct Loads {
    topic: ArcSwapOption<Publisher>,
    plane: Plane,
    endpoint: EndpointId,
    page_size: u32,
    said: Mutex<HashMap<u32, (Load, Instant)>>,
    gauges: Option<KvGauges>,
}

impl Loads {
    pub(super) async fn open(
        plane: &Plane,
        endpoint: &EndpointId,
        model: &str,
        page_size: u32,
        metrics: Option<&Metrics>,
    ) -> Result<Arc<Self>, PlaneError> {
        let gauges = metrics.and_then(|metrics| {
            let made = metrics.kv_gauges(&endpoint.component, model);
            made.inspect_err(|error| tracing::warn!("no numbers of the KV cache: {error}")).ok()
        });
        let loads = Loads {
            topic: ArcSwapOption::empty(),
            plane: plane.clone(),
            endpoint: endpoint.clone(),
            page_size,
            said: Mutex::default(),
            gauges,
        };
        loads.renew(plane).await?;
        Ok(Arc::new(loads))
    }

    pub(super) async fn renew(&self, plane: &Plane) -> Result<(), PlaneError> {
        let topic = plane.publisher(&self.endpoint, "kv_metrics").await?;
        self.topic.store(Some(Arc::new(topic)));
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Whether routers should hear of it.
    fn is_news(&self, load: Load) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let known = said.get(&load.rank);
        let news = known.is_none_or(|(last, at)| *last != load || now - *at >= AGAIN);
        if news {
            said.insert(load.rank, (load, now));
        }
        news
    }
}

#[async_trait]
impl LoadOutlet for Loads {
    async fn load(&self, load: Load) {
        if !self.is_news(load) {
            return;
        }
        if let Some(gauges) = &self.gauges {
            gauges.show(load, self.page_size);
        }
        let Some(topic) = self.topic.load_full() else { return };
        let event = load.encode(self.plane.instance_id(), self.page_size);
        if let Err(error) = topic.publish(&event).await {
            tracing::warn!("routers do not hear of the load: {error}");
        }
    }
}

/// Asks the engine's server, for as long as there is one.
pub(super) async fn ask(client: Client, path: String, loads: Arc<Loads>) {
    let mut answers = true;
    loop {
        let said = match client.get(&path, ANSWER.0, ANSWER.1).await {
            Ok((200..=299, body)) => {
                serde_json::from_slice(&body).map_err(|error| error.to_string())
            }
            Ok((status, _)) => Err(format!("status {status}")),
            Err(error) => Err(error.to_string()),
        };
        match said {
            Ok(answer) => {
                answers = true;
                for load in Load::reported(&answer) {
                    loads.load(load).await;
                }
            }
            // An engine that is down is spoken of elsewhere, and one without this path once.
            Err(error) if answers => {
                answers = false;
                tracing::debug!("the engine does not say how full it is at {path}: {error}");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}
