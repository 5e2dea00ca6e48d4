//! One instance at work: calls with a deadline, and what became of those that did not end well.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Engine, Store};

use crate::deadline::{Deadline, PastDeadline, TICKS_IN_A_ROW};
use crate::imports::{Fault, Hooks, State};
use crate::lane::Lane;
use crate::{Failure, Kind, Limits};

/// One instantiated component; `E` are the exports it was instantiated for.
pub(crate) struct Instance<E> {
    store: Store<State>,
    exports: E,
    plugin: Arc<str>,
    limits: Limits,
    deadline: Deadline,
    /// Set by a call that trapped: wasmtime refuses the store from then on.
    spent: bool,
}

impl<E> Instance<E> {
    /// Makes an instance with a store of its own.
    pub(crate) async fn start(
        engine: &Engine,
        plugin: &Arc<str>,
        limits: &Limits,
        lane: &Lane,
        hooks: Hooks,
        instantiate: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<E>,
    ) -> Result<Self, Failure> {
        let deadline = Deadline::after(limits.call, lane.clone());
        let state = State::new(plugin.clone(), limits, hooks, deadline.clone());
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        // No answer is larger than the memory it was made in, unless it names the same bytes many
        // times, to fill ours.
        store.set_hostcall_fuel(limits.memory_bytes);
        let clock = deadline.clone();
        store.set_epoch_deadline(TICKS_IN_A_ROW);
        store.epoch_deadline_callback(move |_| clock.tick());
        let instantiated = instantiate(&mut store).await;
        deadline.give_way();
        let exports = match instantiated {
            Ok(exports) => exports,
            Err(error) => {
                let (failure, fault) = explain(&mut store, plugin, "instantiation", limits, &error);
                called(&store, "instantiation", Duration::ZERO, Some(fault));
                return Err(failure);
            }
        };
        let (plugin, limits) = (plugin.clone(), limits.clone());
        Ok(Instance { store, exports, plugin, limits, deadline, spent: false })
    }

    /// Whether a call failed in it: it is of no more use.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn store(&mut self) -> &mut Store<State> {
        &mut self.store
    }

    /// Runs one export, host calls included, for at most `within`.
    pub(crate) async fn run<T>(
        &mut self,
        export: &'static str,
        within: Duration,
        call: impl AsyncFnOnce(&mut Store<State>, &E) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.run_within(export, within, within, call).await
    }

    /// Runs one export that may compute for [`Limits::call`], and take [`Limits::waiting_call`] with
    /// what it waits for in host calls.
    pub(crate) async fn run_waiting<T>(
        &mut self,
        export: &'static str,
        call: impl AsyncFnOnce(&mut Store<State>, &E) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.run_within(export, self.limits.call, self.limits.waiting_call, call).await
    }

    /// Ticks end what computes too long, the timeout what waits too long.
    async fn run_within<T>(
        &mut self,
        export: &'static str,
        within: Duration,
        in_all: Duration,
        call: impl AsyncFnOnce(&mut Store<State>, &E) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.deadline.set_after(within);
        self.store.set_epoch_deadline(TICKS_IN_A_ROW);
        // Unless the call returns, the store is in an unknown state: also when the future is dropped.
        self.spent = true;
        let began = Instant::now();
        let done = tokio::time::timeout(in_all, call(&mut self.store, &self.exports)).await;
        self.deadline.give_way();
        let computed = began.elapsed().saturating_sub(self.deadline.waited());
        let error = match done {
            Ok(Ok(returned)) => {
                self.spent = false;
                called(&self.store, export, computed, None);
                return Ok(returned);
            }
            Ok(Err(error)) => error,
            Err(_) => PastDeadline.into(),
        };
        let store = &mut self.store;
        let (failure, fault) = explain(store, &self.plugin, export, &self.limits, &error);
        called(store, export, computed, Some(fault));
        Err(failure)
    }
}

/// Counts a call.
fn called(store: &Store<State>, export: &'static str, computed: Duration, fault: Option<Fault>) {
    if let Some(sink) = &store.data().hooks.metrics {
        sink.called(export, computed, fault);
    }
}

/// Says why a call into a plugin failed: short in the failure, in full in the log.
fn explain(
    store: &mut Store<State>,
    plugin: &str,
    during: &str,
    limits: &Limits,
    error: &wasmtime::Error,
) -> (Failure, Fault) {
    let state = store.data();
    let (kind, fault, reason) = if error.is::<PastDeadline>() {
        (Kind::DeadlineExceeded, Fault::Deadline, "did not return in time".to_owned())
    } else if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        let full = format!("all {} plugin instances are in use", limits.instances);
        return (Failure::new(Kind::CapacityExhausted, full), Fault::Full);
    } else if state.limiter.refused {
        let mebibytes = limits.memory_bytes >> 20;
        let reason = format!("asked for more than its {mebibytes} MiB of memory");
        (Kind::Internal, Fault::Memory, reason)
    } else {
        (Kind::Internal, Fault::Trap, format!("trapped: {}", error.root_cause()))
    };
    let said = state.stderr.take();
    tracing::error!(target: "plugin", plugin, during, said, "plugin {reason}\n{error:?}");
    (Failure::new(kind, format!("plugin {plugin} {reason} in `{during}`")), fault)
}
