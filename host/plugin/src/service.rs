//! The import `service`: how a plugin's routes take the worker out of discovery and back.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Failure;
use crate::bindings::{service, types};
use crate::imports::State;

/// The worker's place in discovery.
#[async_trait]
pub trait ServiceControl: Send + Sync + 'static {
    /// Leaves discovery for `reason`.
    ///
    /// # Errors
    /// Discovery does not answer.
    async fn leave(&self, reason: &str) -> Result<(), Failure>;

    /// Takes `reason` back, and comes back with the last one.
    ///
    /// # Errors
    /// Discovery does not answer.
    async fn rejoin(&self, reason: &str) -> Result<(), Failure>;

    /// The reasons that stand.
    fn reasons(&self) -> Vec<String>;

    /// Waits until no request is in flight, and refuses new ones from then on; with `hand_over` ends
    /// those that are.
    ///
    /// # Errors
    /// [`Kind::DeadlineExceeded`](crate::Kind): some still are.
    async fn drain(&self, hand_over: bool) -> Result<(), Failure>;
}

impl State {
    /// Does something with the worker's place; the time it takes is not the plugin's.
    async fn with_service<F>(
        &mut self,
        what: impl FnOnce(Arc<dyn ServiceControl>) -> F,
    ) -> wasmtime::Result<Result<(), types::Failure>>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let Some(control) = self.hooks.service.clone() else {
            return Ok(Err(Failure::unavailable("the worker does not serve yet").into()));
        };
        Ok(self.deadline.suspend(what(control)).await.map_err(types::Failure::from))
    }
}

impl service::Host for State {
    async fn leave(&mut self, reason: String) -> wasmtime::Result<Result<(), types::Failure>> {
        self.with_service(async move |control| control.leave(&reason).await).await
    }

    async fn rejoin(&mut self, reason: String) -> wasmtime::Result<Result<(), types::Failure>> {
        self.with_service(async move |control| control.rejoin(&reason).await).await
    }

    fn reasons(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.hooks.service.as_ref().map(|control| control.reasons()).unwrap_or_default())
    }

    async fn drain(&mut self, hand_over: bool) -> wasmtime::Result<Result<(), types::Failure>> {
        self.with_service(async move |control| control.drain(hand_over).await).await
    }
}
