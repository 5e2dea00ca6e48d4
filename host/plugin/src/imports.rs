//! The host's side of what a plugin imports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::{
    adapters, calls, engine, handles, log, media, metrics, peers, prompt, service, types,
};
use crate::deadline::Deadline;
use crate::limits::Limiter;
use crate::wasi::Stderr;
use crate::{
    AdapterStore, Call, Failure, Grant, Grants, Held, Limits, MediaAccess, PeerCalls,
    ServiceControl,
};

/// Sends a plugin's control calls to the engine.
#[async_trait]
pub trait EngineControl: Send + Sync + 'static {
    /// Sends `call` and reads the whole answer.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind) when the engine cannot be reached.
    async fn send(&self, call: Call) -> Result<EngineReply, Failure>;
}

/// The answer to a control call.
#[derive(Clone, Debug)]
pub struct EngineReply {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Takes what a plugin records.
pub trait MetricSink: Send + Sync + 'static {
    /// `metric` is a position in the manifest; the sink checks it and the labels.
    fn record(&self, metric: u32, value: f64, labels: &[String]);

    /// An instance's linear memory now has so many bytes.
    fn instance_grew(&self, bytes: usize);

    /// A call of an export has ended. `computed` is how long it took without what it waited for in host
    /// calls, `fault` how the plugin's code failed, if it did.
    fn called(&self, export: &'static str, computed: Duration, fault: Option<Fault>);
}

/// How a plugin's code fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It trapped.
    Trap,
    /// It did not return in time.
    Deadline,
    /// It asked for more memory than it may have.
    Memory,
    /// There was no instance left for it.
    Full,
}

impl Fault {
    /// Its name, as a label of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Trap => "trap",
            Fault::Deadline => "deadline",
            Fault::Memory => "memory",
            Fault::Full => "full",
        }
    }
}

/// Where the granted imports lead. An import without a hook traps: nothing is granted that the
/// host has not connected by the time requests are served.
#[derive(Clone, Default)]
pub struct Hooks {
    /// The worker's engine.
    pub engine: Option<Arc<dyn EngineControl>>,
    /// The plugin's metrics.
    pub metrics: Option<Arc<dyn MetricSink>>,
    /// The worker's adapters, where the operator enabled them.
    pub adapters: Option<Arc<dyn AdapterStore>>,
    /// The way to other workers.
    pub peers: Option<Arc<dyn PeerCalls>>,
    /// Where images and videos come from and go to.
    pub media: Option<Arc<dyn MediaAccess>>,
    /// The worker's place in discovery.
    pub service: Option<Arc<dyn ServiceControl>>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("engine", &self.engine.is_some())
            .field("metrics", &self.metrics.is_some())
            .field("adapters", &self.adapters.is_some())
            .field("peers", &self.peers.is_some())
            .field("media", &self.media.is_some())
            .field("service", &self.service.is_some())
            .finish()
    }
}

/// The prompt of a request, lent to the plugin by handle.
pub struct Tokens(pub(crate) Arc<[u32]>);

/// What one instance carries on the host's side.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    pub(crate) table: ResourceTable,
    pub(crate) stderr: Stderr,
    wasi: WasiCtx,
    plugin: Arc<str>,
    /// Dynamo's id of the request the instance serves; empty while it serves none.
    pub(crate) request: Arc<str>,
    /// What the request keeps from the plugin.
    pub(crate) held: Held,
    pub(crate) hooks: Hooks,
    pub(crate) deadline: Deadline,
    log_lines_left: u32,
    /// What is left of [`Limits::media_bytes`].
    pub(crate) media_bytes_left: u64,
}

/// Log lines of one instance, after which it is silent: a response has no more to say than that.
const LOG_LINES: u32 = 100;
/// Longest log message, in bytes.
const LOG_BYTES: usize = 4096;

/// Handles one instance may hold at once: what they stand for lives in the host's memory.
const HANDLES: usize = 1_000;

impl State {
    pub(crate) fn new(plugin: Arc<str>, limits: &Limits, hooks: Hooks, deadline: Deadline) -> Self {
        let stderr = Stderr::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        State {
            limiter: Limiter::new(limits, hooks.metrics.clone()),
            table,
            wasi: crate::wasi::empty_context(&stderr),
            stderr,
            plugin,
            request: Arc::default(),
            held: Held::default(),
            hooks,
            deadline,
            log_lines_left: LOG_LINES,
            media_bytes_left: limits.media_bytes,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Lets the generated linker functions reach [`State`].
struct HasState;

impl HasData for HasState {
    type Data<'a> = &'a mut State;
}

/// A linker with the interfaces `grants` allows.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    grants: &Grants,
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    crate::wasi::add_to_linker(&mut linker)?;
    types::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    prompt::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    handles::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    calls::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    if grants.has(Grant::Log) {
        log::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Engine) {
        engine::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Adapters) {
        adapters::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Peers) {
        peers::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Media) {
        media::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Service) {
        service::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    if grants.has(Grant::Metrics) {
        metrics::add_to_linker::<State, HasState>(&mut linker, |state| state)?;
    }
    Ok(linker)
}

impl types::Host for State {}

impl calls::Host for State {}

impl prompt::Host for State {}

impl prompt::HostTokens for State {
    fn read(
        &mut self,
        tokens: Resource<Tokens>,
        start: u32,
        count: u32,
    ) -> wasmtime::Result<Vec<u32>> {
        let ids = &self.table.get(&tokens)?.0;
        let start = (start as usize).min(ids.len());
        let end = start.saturating_add(count as usize).min(ids.len());
        Ok(ids.get(start..end).unwrap_or_default().to_vec())
    }

    fn drop(&mut self, tokens: Resource<Tokens>) -> wasmtime::Result<()> {
        self.table.delete(tokens)?;
        Ok(())
    }
}

impl log::Host for State {
    fn enabled(&mut self, level: log::Level) -> wasmtime::Result<bool> {
        Ok(match level {
            log::Level::Trace => tracing::enabled!(target: "plugin", tracing::Level::TRACE),
            log::Level::Debug => tracing::enabled!(target: "plugin", tracing::Level::DEBUG),
            log::Level::Info => tracing::enabled!(target: "plugin", tracing::Level::INFO),
            log::Level::Warn => tracing::enabled!(target: "plugin", tracing::Level::WARN),
            log::Level::Error => tracing::enabled!(target: "plugin", tracing::Level::ERROR),
        })
    }

    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        match self.log_lines_left {
            0 => return Ok(()),
            1 => tracing::warn!(
                target: "plugin", plugin = &*self.plugin,
                "more than {LOG_LINES} log lines in one response: the rest is dropped"
            ),
            _ => {}
        }
        self.log_lines_left -= 1;
        let message = &message[..message.floor_char_boundary(LOG_BYTES)];
        let plugin = &*self.plugin;
        match level {
            log::Level::Trace => tracing::trace!(target: "plugin", plugin, "{message}"),
            log::Level::Debug => tracing::debug!(target: "plugin", plugin, "{message}"),
            log::Level::Info => tracing::info!(target: "plugin", plugin, "{message}"),
            log::Level::Warn => tracing::warn!(target: "plugin", plugin, "{message}"),
            log::Level::Error => tracing::error!(target: "plugin", plugin, "{message}"),
        }
        Ok(())
    }
}

impl engine::Host for State {
    async fn send(
        &mut self,
        call: calls::Call,
    ) -> wasmtime::Result<Result<engine::Reply, types::Failure>> {
        let Some(control) = self.hooks.engine.clone() else {
            return Ok(
                Err(Failure::unavailable("there is no engine yet to send a call to").into()),
            );
        };
        let mut call = self.take_call(call)?;
        call.body = self.held.put_back(call.body);
        Ok(match self.deadline.suspend(control.send(call)).await {
            Ok(EngineReply { status, body }) => Ok(engine::Reply { status, body }),
            Err(failure) => Err(failure.into()),
        })
    }
}

impl metrics::Host for State {
    fn record_value(
        &mut self,
        metric: u32,
        value: f64,
        labels: Vec<String>,
    ) -> wasmtime::Result<()> {
        if let Some(sink) = &self.hooks.metrics {
            sink.record(metric, value, &labels);
        }
        Ok(())
    }
}
