//! An engine as the host sees it: there, gone, back.

mod attached;
mod launched;
mod ready;
mod state;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

pub use state::State;

use crate::client::{Client, EngineError, Limits};
use crate::process::{Command, Guard, StartError};
use launched::Launched;

/// How to meet an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// `http://host:port`, and a prefix of all paths if it has one.
    pub base_url: String,
    /// The path that answers 2xx to a GET once the engine can generate.
    pub ready_path: String,
}

/// How to treat an engine.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How long it may take to become ready for the first time; no limit by default, as a large
    /// model may load for many minutes, and the log tells of it meanwhile.
    pub start_timeout: Option<Duration>,
    /// What the client accepts.
    pub limits: Limits,
    /// The program of the process that guards the engine.
    pub guard: Guard,
}

/// One engine, started by us ([`Engine::launch`]) or found ([`Engine::attach`]).
///
/// Dropping it without [`Engine::shutdown`] kills an engine that we started.
#[derive(Debug)]
pub struct Engine {
    client: Client,
    state: watch::Receiver<State>,
    /// Set to the grace period once it is to stop.
    stop: watch::Sender<Option<Duration>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the engine and keeps it running: if it ends after it was once ready, it is started
    /// again, after 1 s, then 2 s, doubling up to 30 s, and from 1 s again after it was ready for a
    /// minute. One that ends before it was ever ready is not: that is a mistake somebody has to
    /// mend.
    ///
    /// # Errors
    /// [`EngineError::BadUrl`]. Whether it starts is for [`Engine::wait_ready`] to say.
    pub fn launch(
        command: Command,
        contact: &Contact,
        policy: Policy,
    ) -> Result<Self, EngineError> {
        Self::supervise(contact, &policy.limits.clone(), |client, state, stop| {
            Launched {
                command,
                ready_path: contact.ready_path.clone(),
                policy,
                client,
                state,
                stop,
            }
            .run()
        })
    }

    /// Watches an engine that somebody else runs, by asking for its readiness every 2 s. It is down
    /// after three answers in a row that were not a 2xx. It is never stopped.
    ///
    /// # Errors
    /// [`EngineError::BadUrl`]. Whether it is there is for [`Engine::wait_ready`] to say.
    pub fn attach(contact: &Contact, policy: &Policy) -> Result<Self, EngineError> {
        Self::supervise(contact, &policy.limits, |client, state, stop| {
            attached::run(contact.ready_path.clone(), policy.start_timeout, client, state, stop)
        })
    }

    fn supervise<F>(
        contact: &Contact,
        limits: &Limits,
        run: impl FnOnce(Client, watch::Sender<State>, watch::Receiver<Option<Duration>>) -> F,
    ) -> Result<Self, EngineError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let client = Client::new(&contact.base_url, limits.clone())?;
        let (told, state) = watch::channel(State::Starting);
        let (stop, stopped) = watch::channel(None);
        let task = tokio::spawn(run(client.clone(), told, stopped));
        Ok(Engine { client, state, stop, task: Mutex::new(Some(task)) })
    }

    /// The client; the same through all restarts. It does not look at the state: race a request
    /// against [`Engine::down`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The state, to look at and to watch.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Waits until the engine is ready; says which generation of it that is.
    ///
    /// # Errors
    /// Why it will never be.
    pub async fn wait_ready(&self) -> Result<u64, StartError> {
        let mut state = self.state.clone();
        let settled = |state: &State| {
            matches!(state, State::Ready { .. } | State::Failed(_) | State::Stopped)
        };
        let state = state.wait_for(settled).await.map(|state| state.clone());
        match state {
            Ok(State::Ready { generation }) => Ok(generation),
            Ok(State::Failed(error)) => Err((*error).clone()),
            _ => Err(StartError::Stopped),
        }
    }

    /// Resolves once the engine that is ready now is not any more, with the reason; at once if none
    /// is ready. For a request in flight to race against: its answer will not come, or not end.
    pub fn down(&self) -> impl Future<Output = Arc<str>> + Send + 'static {
        let mut state = self.state.clone();
        let now = state.borrow_and_update().clone();
        async move {
            let changed = |state: &State| *state != now || !matches!(state, State::Ready { .. });
            match state.wait_for(changed).await {
                Ok(state) => state.why_down(),
                Err(_) => State::Stopped.why_down(),
            }
        }
    }

    /// Stops the engine for good: SIGTERM to its first process, and after `grace` SIGKILL to all of
    /// it. Resolves when nothing of it is left. An engine we only attached to is left alone.
    pub async fn shutdown(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            if let Err(error) = running.await {
                tracing::error!(%error, "the engine's supervisor failed");
            }
            *task = None;
        }
    }
}

/// Resolves with the grace period once the engine is to stop; with none left if it was dropped.
async fn stopped(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    match stop.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => Duration::ZERO,
    }
}
