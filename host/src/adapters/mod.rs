//! The LoRA adapters of a worker: their files, and their model cards beside the worker's own.

mod bucket;
mod hub;
mod sources;

use std::env;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use dynamo_host_failure::Failure;
use dynamo_host_plane::Served;
use dynamo_host_plane::card::AdapterFacts;
use dynamo_host_plugin::{Adapter, AdapterStore};
use dynamo_host_request::AdapterNames;

use sources::Sources;

/// Dynamo's switch for adapters.
const ENABLED: &str = "DYN_LORA_ENABLED";

/// What is loaded beside the model.
pub struct Adapters {
    sources: Sources,
    published: RwLock<Vec<Adapter>>,
    names: AdapterNames,
    /// Where cards go; none before the worker serves.
    served: OnceLock<Arc<Served>>,
}

impl Adapters {
    /// Adapters, if the operator enabled them.
    pub fn if_enabled() -> Option<Arc<Self>> {
        let enabled = env::var(ENABLED).unwrap_or_default().to_ascii_lowercase();
        matches!(enabled.trim(), "1" | "true" | "yes" | "on").then(|| {
            Arc::new(Adapters {
                sources: Sources::from_env(),
                published: RwLock::default(),
                names: AdapterNames::default(),
                served: OnceLock::default(),
            })
        })
    }

    /// The names of the adapters, as requests see them.
    pub fn names(&self) -> AdapterNames {
        self.names.clone()
    }

    /// From now on, cards are published beside that of `served`.
    pub fn attach(&self, served: Arc<Served>) {
        if self.served.set(served).is_err() {
            tracing::debug!("the adapters have their endpoint already");
        }
    }

    /// Forgets all adapters and their cards: the engine that held them is gone.
    pub async fn forget(&self) {
        for adapter in self.list() {
            tracing::warn!(adapter.name, "the adapter went with its engine: load it again");
            if let Err(failure) = self.withdraw(&adapter.name).await {
                tracing::warn!(%failure, adapter.name, "could not withdraw the adapter's card");
            }
        }
    }

    fn list(&self) -> Vec<Adapter> {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn served(&self) -> Result<&Arc<Served>, Failure> {
        self.served.get().ok_or_else(|| Failure::unavailable("the worker does not serve yet"))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Adapter>)) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut published);
        published.sort_by(|a, b| a.name.cmp(&b.name));
        self.names.set(published.iter().map(|adapter| adapter.name.clone()).collect());
    }
}

#[async_trait]
impl AdapterStore for Adapters {
    fn published(&self) -> Result<Vec<Adapter>, Failure> {
        Ok(self.list())
    }

    async fn fetch(&self, uri: &str) -> Result<String, Failure> {
        self.sources.directory(uri).await
    }

    async fn publish(&self, adapter: Adapter, max_loaded: Option<u32>) -> Result<(), Failure> {
        let facts = AdapterFacts { name: adapter.name.clone(), id: adapter.id, max_loaded };
        self.served()?
            .publish_adapter(&facts)
            .await
            .map_err(|error| Failure::unavailable(error.to_string()))?;
        self.change(|published| {
            published.retain(|other| other.name != adapter.name);
            published.push(adapter);
        });
        Ok(())
    }

    async fn withdraw(&self, name: &str) -> Result<(), Failure> {
        self.served()?
            .withdraw_adapter(name)
            .await
            .map_err(|error| Failure::unavailable(error.to_string()))?;
        self.change(|published| published.retain(|adapter| adapter.name != name));
        Ok(())
    }
}
