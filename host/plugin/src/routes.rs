//! The optional interface `routes`: what a worker answers under `/engine/` beside its requests.

use crate::bindings::routed::Routed;
use crate::bindings::routes::Route;
use crate::instance::Instance;
use crate::{Failure, Kind, Plugin};

impl Plugin {
    /// The routes of the worker's own; none if the plugin does not export the interface. `state` is
    /// what `configure` made.
    ///
    /// # Errors
    /// The plugin's own failure, or that of its code.
    #[expect(clippy::ptr_arg, reason = "the generated bindings take no slice")]
    pub async fn routes(&self, state: &Vec<u8>) -> Result<Vec<Route>, Failure> {
        let Some(mut instance) = self.routed().await? else { return Ok(Vec::new()) };
        let within = instance.limits().startup_call;
        instance
            .run("list-routes", within, async |store, routed| {
                routed.dynamo_worker_routes().call_list_routes(store, state).await
            })
            .await?
            .map_err(Failure::from)
    }

    /// Answers a call of the route `path` with JSON. `state` is what `configure` made, `body` is
    /// JSON.
    ///
    /// # Errors
    /// The plugin's own failure, or that of its code.
    #[expect(clippy::ptr_arg, reason = "the generated bindings take no slice")]
    pub async fn handle_route(
        &self,
        path: &str,
        state: &Vec<u8>,
        body: &Vec<u8>,
    ) -> Result<Vec<u8>, Failure> {
        let Some(mut instance) = self.routed().await? else {
            let message = format!("there is no route `{path}`");
            return Err(Failure::new(Kind::NotFound, message));
        };
        instance
            .run_waiting("handle", async |store, routed| {
                routed.dynamo_worker_routes().call_handle(store, path, state, body).await
            })
            .await?
            .map_err(Failure::from)
    }

    async fn routed(&self) -> Result<Option<Instance<Routed>>, Failure> {
        let Some(pre) = self.routed_pre() else { return Ok(None) };
        let instantiate = async |store: &mut _| pre.instantiate_async(store).await;
        self.start(instantiate).await.map(Some)
    }
}
