//! One response, and the calls of the interface `worker`.

use std::sync::Arc;

use wasmtime::component::{Resource, ResourceAny};

use crate::bindings::WorkerPlugin;
use crate::bindings::contract::{self, Configured, Manifest, Setup, Start};
use crate::bindings::types::{EngineReport, Request};
use crate::imports::{State, Tokens};
use crate::instance::Instance;
use crate::{Blob, Failure, Held, Output, Plugin, Step};

/// What a plugin decided about one request. The converter stays in the session.
#[derive(Debug)]
pub struct ResponsePlan {
    /// Chunks to send first.
    pub preface: Vec<Vec<u8>>,
    /// How the request is answered; none if the preface is the whole answer.
    pub next: Option<Step>,
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

    /// Decides what to do with `request`. `state` is what `configure` made, `held` what was taken out
    /// of the request.
    ///
    /// # Errors
    /// The plugin's refusal, or the failure of its code, after which the session is spent.
    pub async fn plan(
        &mut self,
        state: &Vec<u8>,
        request: &Request,
        prompt: Arc<[u32]>,
        held: Held,
    ) -> Result<ResponsePlan, Failure> {
        let instance = self.instance()?;
        instance.store().data_mut().held = held;
        let plan = instance.plan(state, request, prompt).await?;
        let next = match plan.next {
            Some(step) => Some(instance.resolve(|host| host.take_step(step))?),
            None => None,
        };
        self.converter = Some(plan.converter);
        Ok(ResponsePlan { preface: plan.preface, next })
    }

    /// Converts a batch of the engine's events.
    ///
    /// # Errors
    /// The failure of the plugin's code; what the plugin itself says stands in the output.
    pub async fn push(&mut self, events: &[Vec<u8>]) -> Result<Output, Failure> {
        let converter = self.converter()?;
        self.instance()?.push(converter, events).await
    }

    /// Hands the converter a medium of the engine's answer.
    ///
    /// # Errors
    /// As [`push`](Session::push); [`Kind::PayloadTooLarge`](crate::Kind) if the instance would hold
    /// more than it may.
    pub async fn deliver(&mut self, medium: Blob) -> Result<Output, Failure> {
        let converter = self.converter()?;
        self.instance()?.deliver(converter, medium).await
    }

    /// How many bytes of media the instance may hold beside those it holds.
    ///
    /// # Errors
    /// The session is spent.
    pub fn media_bytes_left(&mut self) -> Result<u64, Failure> {
        Ok(self.instance()?.store().data().media_bytes_left)
    }

    /// Tells the converter that the source has ended.
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
    /// As [`push`](Session::push).
    pub async fn rejected(&mut self, status: u16, body: &Vec<u8>) -> Result<Output, Failure> {
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

    pub(crate) async fn prepare(&mut self, start: &Start) -> Result<Option<Setup>, Failure> {
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
        let output = self
            .run_waiting("push", async |store, worker| {
                worker.dynamo_worker_worker().converter().call_push(store, converter, events).await
            })
            .await?;
        self.resolve(|host| host.take_output(output))
    }

    async fn deliver(&mut self, converter: ResourceAny, medium: Blob) -> Result<Output, Failure> {
        let medium = self.resolve(|host| host.hold(medium))??;
        let output = self
            .run_waiting("deliver", async |store, worker| {
                let converters = worker.dynamo_worker_worker().converter();
                converters.call_deliver(store, converter, medium).await
            })
            .await?;
        self.resolve(|host| host.take_output(output))
    }

    async fn finish(&mut self, converter: ResourceAny) -> Result<Output, Failure> {
        let output = self
            .run_waiting("finish", async |store, worker| {
                worker.dynamo_worker_worker().converter().call_finish(store, converter).await
            })
            .await?;
        self.resolve(|host| host.take_output(output))
    }

    #[expect(clippy::ptr_arg, reason = "the generated bindings take no slice")]
    async fn rejected(
        &mut self,
        converter: ResourceAny,
        status: u16,
        body: &Vec<u8>,
    ) -> Result<Output, Failure> {
        let output = self
            .run_waiting("rejected", async |store, worker| {
                let converters = worker.dynamo_worker_worker().converter();
                converters.call_rejected(store, converter, status, body).await
            })
            .await?;
        self.resolve(|host| host.take_output(output))
    }

    /// Looks up what the handles of an answer stand for.
    fn resolve<T>(
        &mut self,
        look_up: impl FnOnce(&mut State) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        look_up(self.store().data_mut())
            .map_err(|error| Failure::internal(format!("a handle of the plugin's: {error}")))
    }
}
