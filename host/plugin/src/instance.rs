//! One instance at work: calls with a deadline, and what became of those that did not end well.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Engine, Store};

use crate::deadline::{Deadline, PastDeadline, TICKS_IN_A_ROW};
use crate::imports::{Hooks, State};
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
            Err(error) => return Err(explain(&mut store, plugin, "instantiation", limits, &error)),
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
        let called = tokio::time::timeout(in_all, call(&mut self.store, &self.exports)).await;
        self.deadline.give_way();
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
