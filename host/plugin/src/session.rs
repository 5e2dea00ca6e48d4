//! One response, and the calls of the interface `worker`.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceAny};

use crate::bindings::WorkerPlugin;
use crate::bindings::contract::{self, Configured, Manifest, Output, Setup, Start};
use crate::bindings::types::{Call, EngineReport, Request};
use crate::imports::Tokens;
use crate::instance::Instance;
use crate::{Failure, Plugin};

/// What a plugin decided about one request. The converter stays in the session.
#[derive(Debug)]
pub struct ResponsePlan {
    /// Chunks to send first.
    pub preface: Vec<Vec<u8>>,
    /// The engine call that answers the request.
    pub call: Option<Call>,
    /// The engine call that gives it up.
    pub abort: Option<Call>,
}

/// One response: `plan`, then the converter, in an instance that serves nothing else meanwhile.
pub struct Session {
    plugin: Plugin,
    instance: Option<Instance<WorkerPlugin>>,
    converter: Option<ResourceAny>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(plugin: Plugin, instance: Instance<WorkerPlugin>) -> Self {
        Session { plugin, instance: Some(instance), converter: None }
    }

    /// Decides what to do with `request`. `state` is what `configure` made.
    ///
    /// # Errors
    /// The plugin's refusal, or the failure of its code, after which the session is spent.
    pub async fn plan(
        &mut self,
        state: &Vec<u8>,
        request: &Request,
        prompt: Arc<[u32]>,
    ) -> Result<ResponsePlan, Failure> {
        let plan = self.instance()?.plan(state, request, prompt).await?;
        self.converter = Some(plan.converter);
        Ok(ResponsePlan { preface: plan.preface, call: plan.call, abort: plan.abort })
    }

    /// Converts a batch of the engine's events.
    ///
    /// # Errors
    /// The failure of the plugin's code; what the plugin itself says stands in the output.
    pub async fn push(&mut self, events: &[Vec<u8>]) -> Result<Output, Failure> {
        let converter = self.converter()?;
        self.instance()?.push(converter, events).await
    }

    /// Tells the converter that the engine's answer has ended.
    ///
    /// # Errors
    /// As [`push`](Session::push).
    pub async fn finish(&mut self) -> Result<Output, Failure> {
        let converter = self.converter()?;
        self.instance()?.finish(converter).await
    }

    /// Asks what an engine's status other than 2xx means.
    ///
    /// # Errors
    /// The failure of the plugin's code.
    pub async fn rejected(&mut self, status: u16, body: &Vec<u8>) -> Result<Failure, Failure> {
        let converter = self.converter()?;
        self.instance()?.rejected(converter, status, body).await
    }

    /// Ends a response that went well: a warm instance goes back to wait for the next.
    pub async fn close(mut self) {
        let Some(mut instance) = self.instance.take().filter(|instance| !instance.is_spent())
        else {
            return;
        };
        if let Some(converter) = self.converter.take()
            && converter.resource_drop_async(instance.store()).await.is_err()
        {
            return;
        }
        self.plugin.take_back(instance);
    }

    fn instance(&mut self) -> Result<&mut Instance<WorkerPlugin>, Failure> {
        self.instance
            .as_mut()
            .filter(|instance| !instance.is_spent())
            .ok_or_else(|| Failure::internal("the plugin's instance failed earlier"))
    }

    fn converter(&self) -> Result<ResourceAny, Failure> {
        self.converter
            .ok_or_else(|| Failure::internal("a response is converted before it is planned"))
    }
}

/// The interface `worker` of one instance.
impl Instance<WorkerPlugin> {
    pub(crate) async fn describe(&mut self) -> Result<Manifest, Failure> {
        self.run("describe", self.limits().startup_call, async |store, worker| {
            worker.dynamo_worker_worker().call_describe(store).await
        })
        .await
    }

    pub(crate) async fn prepare(&mut self, start: &Start) -> Result<Setup, Failure> {
        self.run("prepare", self.limits().startup_call, async |store, worker| {
            worker.dynamo_worker_worker().call_prepare(store, start).await
        })
        .await?
        .map_err(Failure::from)
    }

    pub(crate) async fn configure(
        &mut self,
        settings: &Vec<u8>,
        report: &EngineReport,
    ) -> Result<Configured, Failure> {
        self.run("configure", self.limits().startup_call, async |store, worker| {
            worker.dynamo_worker_worker().call_configure(store, settings, report).await
        })
        .await?
        .map_err(Failure::from)
    }

    #[expect(clippy::ptr_arg, reason = "the generated bindings take no slice")]
    async fn plan(
        &mut self,
        state: &Vec<u8>,
        request: &Request,
        prompt: Arc<[u32]>,
    ) -> Result<contract::ResponsePlan, Failure> {
        let host = self.store().data_mut();
        host.request = Arc::from(request.id.as_str());
        let tokens = host
            .table
            .push(Tokens(prompt))
            .map_err(|error| Failure::internal(error.to_string()))?;
        let lent = Resource::new_borrow(tokens.rep());
        let planned = self
            .run_waiting("plan", async |store, worker| {
                worker.dynamo_worker_worker().call_plan(store, state, request, lent).await
            })
            .await;
        // The prompt is lent for the call only: nothing holds it while the answer streams.
        self.store()
            .data_mut()
            .table
            .delete(tokens)
            .map_err(|error| Failure::internal(error.to_string()))?;
        planned?.map_err(Failure::from)
    }

    async fn push(
        &mut self,
        converter: ResourceAny,
        events: &[Vec<u8>],
    ) -> Result<Output, Failure> {
        self.run_waiting("push", async |store, worker| {
            worker.dynamo_worker_worker().converter().call_push(store, converter, events).await
        })
        .await
    }

    async fn finish(&mut self, converter: ResourceAny) -> Result<Output, Failure> {
        self.run_waiting("finish", async |store, worker| {
            worker.dynamo_worker_worker().converter().call_finish(store, converter).await
        })
        .await
    }

    #[expect(clippy::ptr_arg, reason = "the generated bindings take no slice")]
    async fn rejected(
        &mut self,
        converter: ResourceAny,
        status: u16,
        body: &Vec<u8>,
    ) -> Result<Failure, Failure> {
        self.run_waiting("rejected", async |store, worker| {
            worker
                .dynamo_worker_worker()
                .converter()
                .call_rejected(store, converter, status, body)
                .await
        })
        .await
        .map(Failure::from)
    }
}
