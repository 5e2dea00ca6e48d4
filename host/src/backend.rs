//! The engine of a worker, if its plugin wants one.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use dynamo_host_engine::{Client, Command, Contact as EngineContact, Engine, Policy, State};
use dynamo_host_failure::Failure;
use dynamo_host_plane::Plane;
use dynamo_host_plugin::{Contact, EngineReport, Setup};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::cli::Arguments;
use crate::error::HostError;
use crate::{model, report};

/// An engine and what belongs to it; or nothing, for a worker whose requests other workers answer.
pub struct Backend {
    engine: Option<Engine>,
    pulse: Option<Pulse>,
    /// Whether we have started it.
    is_ours: bool,
    scratch: TempDir,
}

/// A port and a directory for an engine that is to be started.
pub struct Place {
    /// Nobody listened here when it was looked for. The engine takes it a little later, so another
    /// process may come first; the engine then fails at its start and says so.
    pub port: u16,
    scratch: TempDir,
}

impl Place {
    /// Finds one.
    ///
    /// # Errors
    /// There is no port, or no place for files.
    pub fn find() -> Result<Self, HostError> {
        let scratch = TempDir::with_prefix("dynamo-host-").map_err(HostError::NoScratch)?;
        Ok(Place { port: free_port()?, scratch })
    }

    /// The directory.
    ///
    /// # Errors
    /// Its name is not UTF-8 (`TMPDIR`), in which a plugin could not be told it.
    pub fn scratch(&self) -> Result<String, HostError> {
        let path = self.scratch.path();
        path.to_str().map(str::to_owned).ok_or_else(|| {
            HostError::NoScratch(std::io::Error::other(format!("{path:?} is not UTF-8")))
        })
    }
}

impl Backend {
    /// Starts the engine as `setup` says, or attaches to the one at `--engine-url`. It is not ready
    /// yet.
    ///
    /// # Errors
    /// The engine cannot be started, or there is none and the operator names one.
    pub fn start(
        setup: Option<Setup>,
        arguments: &Arguments,
        place: Place,
    ) -> Result<Self, HostError> {
        let Place { port, scratch } = place;
        let flags = &arguments.flags.engine;
        let Some(setup) = setup else {
            let named =
                [("--engine-url", &flags.engine_url), ("--engine-command", &flags.engine_command)];
            return match named.into_iter().find(|(_, value)| value.is_some()) {
                Some((flag, _)) => Err(HostError::NoEngine { flag }),
                None => Ok(Backend { engine: None, pulse: None, is_ours: false, scratch }),
            };
        };
        let path = setup.contact.ready.clone();
        let engine = start(setup, arguments, port)?;
        let pulse = Some(Pulse { client: engine.client().clone(), path });
        let is_ours = flags.engine_url.is_none();
        Ok(Backend { engine: Some(engine), pulse, is_ours, scratch })
    }

    /// Waits until the engine can generate.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn ready(&self) -> Result<(), HostError> {
        if let Some(engine) = &self.engine {
            engine.wait_ready().await?;
        }
        Ok(())
    }

    /// Sends calls to the engine.
    pub fn client(&self) -> Option<Client> {
        self.engine.as_ref().map(|engine| engine.client().clone())
    }

    /// Whether there is an engine that this host has started.
    pub fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Whether the engine's server is there, without a request; none if there is no engine.
    pub fn pulse(&self) -> Option<Pulse> {
        self.pulse.clone()
    }

    /// How the engine is; nothing to follow if there is none.
    pub fn state(&self) -> Option<watch::Receiver<State>> {
        self.engine.as_ref().map(Engine::state)
    }

    /// What a plugin wants to know of the engine that it meets by `contact`.
    pub async fn report(&self, contact: Option<&Contact>, arguments: &Arguments) -> EngineReport {
        let model_path = arguments.model_path.clone().unwrap_or_default();
        let folder = model::folder(&model_path);
        report::gather(
            self.engine.as_ref().map(Engine::client).zip(contact),
            folder.as_deref(),
            EngineReport {
                served_name: arguments.served_names.first().cloned().unwrap_or_default(),
                model_path,
                address: Plane::local_address(),
                answers: Vec::new(),
                files: Vec::new(),
            },
        )
        .await
    }

    /// Stops the engine: asks it to end, and kills it after `patience`.
    pub async fn shutdown(&self, patience: Duration) {
        if let Some(engine) = &self.engine {
            engine.shutdown(patience).await;
        }
    }

    /// Removes the engine's files, before an exit that drops nothing.
    pub fn remove_files(&self) {
        if let Err(error) = std::fs::remove_dir_all(self.scratch.path()) {
            tracing::warn!("{} is left behind: {error}", self.scratch.path().display());
        }
    }
}

/// How to find out whether an engine that is at work is still there.
#[derive(Clone, Debug)]
pub struct Pulse {
    client: Client,
    path: String,
}

impl Pulse {
    /// Longest the engine's server may take to say that it is there, and its longest answer, in bytes.
    const PATIENCE: Duration = Duration::from_secs(10);
    const ANSWER: usize = 64 << 10;

    /// Asks for the engine's readiness.
    ///
    /// # Errors
    /// It does not answer, or is not ready.
    pub async fn feel(&self) -> Result<(), Failure> {
        match self.client.get(&self.path, Self::PATIENCE, Self::ANSWER).await {
            Ok((200..=299, _)) => Ok(()),
            Ok((status, _)) => {
                Err(Failure::unavailable(format!("the engine's {} says {status}", self.path)))
            }
            Err(error) => Err(Failure::unavailable(error.to_string())),
        }
    }
}

fn start(setup: Setup, arguments: &Arguments, port: u16) -> Result<Engine, HostError> {
    let flags = &arguments.flags.engine;
    let policy = Policy { start_timeout: flags.engine_start_timeout, ..Policy::default() };
    let base_url = match &flags.engine_url {
        Some(url) => url.clone(),
        None => format!("http://{}:{port}", Ipv4Addr::LOCALHOST),
    };
    let contact = EngineContact { base_url, ready_path: setup.contact.ready };
    if flags.engine_url.is_some() {
        tracing::info!("attaching to the engine at {}", contact.base_url);
        return Ok(Engine::attach(&contact, &policy)?);
    }
    let program = match &flags.engine_command {
        None => setup.program,
        Some(command) => shell_words::split(command).map_err(|error| HostError::EngineCommand {
            command: command.clone(),
            reason: error.to_string(),
        })?,
    };
    let command = Command { program, arguments: setup.arguments, environment: setup.environment };
    Ok(Engine::launch(command, &contact, policy)?)
}

/// A port nobody listens on at this moment.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16, HostError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(HostError::NoPort)?;
    Ok(listener.local_addr().map_err(HostError::NoPort)?.port())
}
