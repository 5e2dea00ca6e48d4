//! Why the host ends before it was told to.

use std::path::PathBuf;

use dynamo_host_engine::{EngineError, StartError};
use dynamo_host_failure::Failure;
use dynamo_host_plane::card::CardError;
use dynamo_host_plane::{EndpointId, PlaneError};
use dynamo_host_plugin::{CacheError, LoadError, RuntimeError};
use dynamo_host_trust::KeyError;

use crate::kv::KvError;
use crate::swap::SourceError;
use crate::topology::TopologyError;

/// Why the host could not start or go on. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A plugin cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The plugin is refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A trusted key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no token where the operator said.
    #[error("cannot read the token in {path} (--route-token-file): {source}")]
    RouteToken {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no safe place for compiled plugins.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// WebAssembly does not run here.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plugin cannot work with these settings or this engine.
    #[error("plugin {plugin} failed in `{during}`: {}", failure.message)]
    Plugin {
        /// The plugin's name.
        plugin: String,
        /// The export that failed.
        during: &'static str,
        /// What it said.
        failure: Failure,
    },
    /// Two plugins of one name.
    #[error("--plugin names {plugin} twice: a host serves each of its plugins once")]
    SamePlugin {
        /// The plugin's name.
        plugin: String,
    },
    /// Two plugins in one place.
    #[error(
        "the plugins {first} and {second} both stand at {endpoint}: name the first one's endpoint \
         with --endpoint, or leave one out"
    )]
    SameEndpoint {
        /// A plugin's name.
        first: String,
        /// Another one's.
        second: String,
        /// Where both would stand.
        endpoint: EndpointId,
    },
    /// An engine, and a first plugin that wants none.
    #[error(
        "{plugin} wants an engine, but it is the first --plugin that prepares the engine, and \
         {first} works without one: name {plugin} first"
    )]
    EngineOfAnother {
        /// The plugin that wants one.
        plugin: String,
        /// The first plugin.
        first: String,
    },
    /// The model is not there.
    #[error(
        "there is no model at {path}: --model-path is the path of a model's directory or file, or \
         the name of a model on a hub (`organisation/model`)"
    )]
    NoModel {
        /// What was given.
        path: String,
    },
    /// The engine's command cannot be read.
    #[error("--engine-command `{command}` cannot be read: {reason}")]
    EngineCommand {
        /// What was given.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The operator names an engine, and the plugin wants none.
    #[error("{flag} names an engine, but this plugin works without one: leave the flag out")]
    NoEngine {
        /// The flag.
        flag: &'static str,
    },
    /// No directory for the engine's files.
    #[error("there is no place for the engine's files (TMPDIR): {0}")]
    NoScratch(std::io::Error),
    /// The deployment does not say where the worker is.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// No port for the engine.
    #[error("there is no free port for the engine: {0}")]
    NoPort(std::io::Error),
    /// The engine's address cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Dynamo could not be joined.
    #[error(transparent)]
    Plane(#[from] PlaneError),
    /// What the engine's KV cache holds cannot be told.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// There is no model card to publish.
    #[error(transparent)]
    Card(#[from] CardError),
    /// A task of the host's ended in a panic.
    #[error("a task of the host failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The worker is up and does not answer.
    #[error(
        "the health check of {plugin} failed: {failure}. The engine is up, but a request through \
         the plugin does not get an answer from it"
    )]
    HealthCheck {
        /// The plugin's name.
        plugin: String,
        /// Why.
        failure: Failure,
    },
    /// Media cannot be fetched or stored.
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}
