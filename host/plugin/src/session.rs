//! One instance at work: calls with a deadline, and what became of those that did not end well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{Resource, ResourceAny};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::contract::{self, Configured, Manifest, Output, Setup, Start};
use crate::bindings::types::{Call, EngineReport, Request};
use crate::bindings::{WorkerPlugin, WorkerPluginPre};
use crate::imports::{Hooks, State, Tokens};
use crate::{Failure, Kind, Limits, Plugin};

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
    instance: Option<Instance>,
    converter: Option<ResourceAny>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(plugin: Plugin, instance: Instance) -> Self {
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
        let Some(mut instance) = self.instance.take().filter(|instance| !instance.spent) else {
            return;
        };
        if let Some(converter) = self.converter.take()
            && converter.resource_drop_async(&mut instance.store).await.is_err()
        {
            return;
        }
        self.plugin.take_back(instance);
    }

    fn instance(&mut self) -> Result<&mut Instance, Failure> {
        self.instance
            .as_mut()
            .filter(|instance| !instance.spent)
            .ok_or_else(|| Failure::internal("the plugin's instance failed earlier"))
    }

    fn converter(&self) -> Result<ResourceAny, Failure> {
        self.converter
            .ok_or_else(|| Failure::internal("a response is converted before it is planned"))
    }
}

/// One instantiated component.
pub(crate) struct Instance {
    store: Store<State>,
    exports: WorkerPlugin,
    plugin: Arc<str>,
    limits: Limits,
    deadline: Arc<Deadline>,
    /// Set by a call that trapped: wasmtime refuses the store from then on.
    spent: bool,
}

/// When the running call must have ended; read at every epoch tick.
struct Deadline(std::sync::Mutex<Instant>);

impl Deadline {
    fn set(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = at;
    }

    fn has_passed(&self) -> bool {
        Instant::now() >= *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Why a tick ended a call.
#[derive(Debug, thiserror::Error)]
#[error("the call went on past its deadline")]
struct PastDeadline;

impl Instance {
    pub(crate) async fn start(
        pre: &WorkerPluginPre<State>,
        plugin: &Arc<str>,
        limits: &Limits,
        hooks: Hooks,
    ) -> Result<Self, Failure> {
        let state = State::new(plugin.clone(), limits, hooks);
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.limiter);
        let deadline = Arc::new(Deadline(Instant::now().into()));
        deadline.set(Instant::now() + limits.call);
        // A call that outlives a tick lets others run before it goes on, and is ended at its
        // deadline.
        let clock = deadline.clone();
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| match clock.has_passed() {
            true => Err(PastDeadline.into()),
            false => Ok(UpdateDeadline::Yield(1)),
        });
        let exports = match pre.instantiate_async(&mut store).await {
            Ok(exports) => exports,
            Err(error) => return Err(explain(&mut store, plugin, "instantiation", limits, &error)),
        };
        let (plugin, limits) = (plugin.clone(), limits.clone());
        Ok(Instance { store, exports, plugin, limits, deadline, spent: false })
    }

    pub(crate) async fn describe(&mut self) -> Result<Manifest, Failure> {
        self.run("describe", self.limits.startup_call, async |store, worker| {
            worker.call_describe(store).await
        })
        .await
    }

    pub(crate) async fn prepare(&mut self, start: &Start) -> Result<Setup, Failure> {
        self.run("prepare", self.limits.startup_call, async |store, worker| {
            worker.call_prepare(store, start).await
        })
        .await?
        .map_err(Failure::from)
    }

    pub(crate) async fn configure(
        &mut self,
        settings: &Vec<u8>,
        report: &EngineReport,
    ) -> Result<Configured, Failure> {
        self.run("configure", self.limits.startup_call, async |store, worker| {
            worker.call_configure(store, settings, report).await
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
        let tokens = self
            .store
            .data_mut()
            .table
            .push(Tokens(prompt))
            .map_err(|error| Failure::internal(error.to_string()))?;
        let lent = Resource::new_borrow(tokens.rep());
        let planned = self
            .run("plan", self.limits.call, async |store, worker| {
                worker.call_plan(store, state, request, lent).await
            })
            .await;
        // The prompt is lent for the call only: nothing holds it while the answer streams.
        self.store
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
        self.run("push", self.limits.call, async |store, worker| {
            worker.converter().call_push(store, converter, events).await
        })
        .await
    }

    async fn finish(&mut self, converter: ResourceAny) -> Result<Output, Failure> {
        self.run("finish", self.limits.call, async |store, worker| {
            worker.converter().call_finish(store, converter).await
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
        self.run("rejected", self.limits.call, async |store, worker| {
            worker.converter().call_rejected(store, converter, status, body).await
        })
        .await
        .map(Failure::from)
    }

    /// Runs one export under a deadline. Ticks end what computes too long, the timeout what waits
    /// too long in a host call.
    async fn run<T>(
        &mut self,
        export: &'static str,
        within: Duration,
        call: impl AsyncFnOnce(&mut Store<State>, &contract::Guest) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.deadline.set(Instant::now() + within);
        self.store.set_epoch_deadline(1);
        // Unless the call returns, the store is in an unknown state: also when the future is dropped.
        self.spent = true;
        let worker = self.exports.dynamo_worker_worker();
        let called = tokio::time::timeout(within, call(&mut self.store, worker)).await;
        let error = match called {
            Ok(Ok(returned)) => {
                self.spent = false;
                return Ok(returned);
            }
            Ok(Err(error)) => error,
            Err(_) => PastDeadline.into(),
        };
        Err(explain(&mut self.store, &self.plugin, export, &self.limits, &error))
    }
}

/// Says why a call into a plugin failed: short in the failure, in full in the log.
fn explain(
    store: &mut Store<State>,
    plugin: &str,
    during: &str,
    limits: &Limits,
    error: &wasmtime::Error,
) -> Failure {
    let state = store.data();
    let (kind, reason) = if error.is::<PastDeadline>() {
        (Kind::DeadlineExceeded, "did not return in time".to_owned())
    } else if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        let full = format!("all {} plugin instances are in use", limits.instances);
        return Failure::new(Kind::CapacityExhausted, full);
    } else if state.limiter.refused {
        let mebibytes = limits.memory_bytes >> 20;
        (Kind::Internal, format!("asked for more than its {mebibytes} MiB of memory"))
    } else {
        (Kind::Internal, format!("trapped: {}", error.root_cause()))
    };
    let said = state.stderr.take();
    tracing::error!(target: "plugin", plugin, during, said, "plugin {reason}\n{error:?}");
    Failure::new(kind, format!("plugin {plugin} {reason} in `{during}`"))
}
