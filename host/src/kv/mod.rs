//! The relay of an engine's KV events, load and forward-pass metrics to Dynamo's routers.

mod arrange;
mod facts;
mod load;
mod source;

use std::sync::{Arc, Mutex};

use dynamo_host_engine::Client;
use dynamo_host_kv::{Counters, Ledger, LoadOutlet, Outlet, Outlets, Rank, Relay, RelayError};
use dynamo_host_plane::{EndpointId, Plane, PlaneError};

pub use arrange::{arrange_forward_pass, arrange_kv_events};
pub use facts::{Facts, place_mooncake};
use load::Loads;
use source::{Events, ForwardPasses};

use crate::metrics::Metrics;

/// Why nothing is relayed.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The engine's side.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// Dynamo's side.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// What is said of it in numbers.
    #[error("the relay of KV events cannot be counted: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What of a worker's engine is relayed, until it is [stopped](KvRelay::stop).
pub struct KvRelay {
    plane: Plane,
    relay: Relay,
    events: Vec<Arc<Events>>,
    loads: Arc<Loads>,
    passes: Option<Arc<ForwardPasses>>,
    /// Asks the engine's server how full it is, where no rank says so by itself.
    asking: Option<tokio::task::JoinHandle<()>>,
}

impl KvRelay {
    /// Relays what `facts` say of the engine behind `client`, for the worker at `endpoint` that
    /// serves `model`. The engine is up.
    ///
    /// # Errors
    /// The engine's sockets cannot be listened to, or Dynamo does not take what they say.
    pub async fn start(
        plane: &Plane,
        endpoint: &EndpointId,
        model: &str,
        facts: Facts,
        client: Option<Client>,
        metrics: Option<&Metrics>,
    ) -> Result<Self, KvError> {
        let loads = Loads::open(plane, endpoint, model, facts.page_size, metrics).await?;
        let passes = match facts.sources.iter().any(|source| source.forward_pass.is_some()) {
            true => Some(ForwardPasses::open(plane, endpoint).await?),
            false => None,
        };
        let mut ranks = Vec::with_capacity(facts.sources.len());
        let mut events = Vec::new();
        let worker = facts.worker_id.unwrap_or_else(|| plane.instance_id());
        for source in facts.sources.clone() {
            let ledger = Arc::new(Mutex::new(Ledger::new(worker, source.rank)));
            let mut outlets = Outlets {
                load: Some(loads.clone() as Arc<dyn LoadOutlet>),
                forward_pass: passes.clone().map(|passes| passes as Arc<dyn Outlet>),
                ..Outlets::default()
            };
            if source.has_events() {
                let rank = source.rank;
                let opened = Events::open(plane, endpoint, &facts, rank, ledger.clone()).await?;
                outlets.events = Some(opened.clone() as Arc<dyn Outlet>);
                events.push(opened);
            }
            ranks.push(Rank { source, ledger, outlets });
        }
        tracing::info!(ranks = events.len(), "relaying KV events to routers");
        let counters = match metrics {
            Some(metrics) => metrics.kv_counters()?,
            None => Counters::new()?,
        };
        let relay = Relay::start(ranks, facts.block_size, &counters)?;
        let asking = facts
            .loads
            .zip(client)
            .map(|(path, client)| tokio::spawn(load::ask(client, path, loads.clone())));
        Ok(KvRelay { plane: plane.clone(), relay, events, loads, passes, asking })
    }

    /// The engine has ended, and its cache with it.
    pub fn engine_is_lost(&self) {
        self.relay.engine_is_lost();
    }

    /// The engine is up again.
    pub fn engine_is_back(&self) {
        self.relay.engine_is_back();
    }

    /// Opens everything again on a plane that was renewed.
    ///
    /// # Errors
    /// Dynamo does not take it.
    pub async fn renew(&self) -> Result<(), KvError> {
        self.loads.renew(&self.plane).await?;
        if let Some(passes) = &self.passes {
            passes.renew(&self.plane).await?;
        }
        for events in &self.events {
            events.renew(&self.plane).await?;
        }
        Ok(())
    }

    /// Publishes what has been received and withdraws it all.
    pub async fn stop(self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
        self.relay.stop().await;
        for events in &self.events {
            events.close().await;
        }
    }
}
