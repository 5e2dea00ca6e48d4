//! The import `adapters`: the host's side of loading LoRA adapters.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::bindings::{adapters, types};
use crate::imports::State;
use crate::{Adapter, Failure, Kind};

/// Keeps the LoRA adapters of a worker.
#[async_trait]
pub trait AdapterStore: Send + Sync + 'static {
    /// What is published now, by name.
    ///
    /// # Errors
    /// Adapters are not enabled.
    fn published(&self) -> Result<Vec<Adapter>, Failure>;

    /// Brings the files at `uri` here; their directory.
    ///
    /// # Errors
    /// Why they cannot be had.
    async fn fetch(&self, uri: &str) -> Result<String, Failure>;

    /// Publishes a model card for an adapter.
    ///
    /// # Errors
    /// Discovery refuses it, or does not answer.
    async fn publish(&self, adapter: Adapter, max_loaded: Option<u32>) -> Result<(), Failure>;

    /// Withdraws an adapter's model card.
    ///
    /// # Errors
    /// Discovery does not answer.
    async fn withdraw(&self, name: &str) -> Result<(), Failure>;
}

/// What a plugin hears where the operator has not enabled adapters.
fn no_adapters() -> types::Failure {
    let message = "LoRA adapters are not enabled: set DYN_LORA_ENABLED=true";
    Failure::new(Kind::NotImplemented, message).into()
}

impl State {
    /// Does something with the adapters; the time it takes is not the plugin's.
    async fn with_adapters<T, F>(
        &mut self,
        what: impl FnOnce(Arc<dyn AdapterStore>) -> F,
    ) -> wasmtime::Result<Result<T, types::Failure>>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let Some(store) = self.hooks.adapters.clone() else { return Ok(Err(no_adapters())) };
        Ok(self.deadline.suspend(what(store)).await.map_err(types::Failure::from))
    }
}

impl adapters::Host for State {
    fn published(&mut self) -> wasmtime::Result<Result<Vec<Adapter>, types::Failure>> {
        let Some(store) = &self.hooks.adapters else { return Ok(Err(no_adapters())) };
        Ok(store.published().map_err(types::Failure::from))
    }

    fn id_of(&mut self, name: String) -> wasmtime::Result<u32> {
        Ok(adapter_id(&name))
    }

    async fn fetch(&mut self, uri: String) -> wasmtime::Result<Result<String, types::Failure>> {
        self.with_adapters(async move |store| store.fetch(&uri).await).await
    }

    async fn publish(
        &mut self,
        name: String,
        path: String,
        max_loaded: Option<u32>,
    ) -> wasmtime::Result<Result<(), types::Failure>> {
        let adapter = Adapter { id: adapter_id(&name), name, path };
        self.with_adapters(async move |store| store.publish(adapter, max_loaded).await).await
    }

    async fn withdraw(&mut self, name: String) -> wasmtime::Result<Result<(), types::Failure>> {
        self.with_adapters(async move |store| store.withdraw(&name).await).await
    }
}

/// The number Dynamo knows an adapter by (`lora_name_to_id`): the first eight bytes of BLAKE3 of its
/// name, as 31 bits.
pub fn adapter_id(name: &str) -> u32 {
    let hash = blake3::hash(name.as_bytes());
    let first = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (first & 0x7fff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::adapter_id;

    #[test]
    fn an_adapter_has_the_number_dynamo_gives_it() {
        assert_eq!(adapter_id("a"), 1_500_095_571);
    }
}
