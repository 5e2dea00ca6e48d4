//! Where a rank publishes.

use serde::Deserialize;

/// The sockets of one data-parallel rank on this machine, in ZeroMQ's words (`tcp://host:port`,
/// `ipc://path`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// The data-parallel rank.
    pub rank: u32,
    /// Where the engine publishes the changes of its cache.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Where we listen instead, for an engine that connects to whoever wants its events.
    #[serde(default)]
    pub bind: Option<String>,
    /// Where the engine tells its last batches again.
    #[serde(default)]
    pub replay: Option<String>,
    /// Where the rank's scheduler publishes its load.
    #[serde(default)]
    pub load: Option<String>,
    /// Where the rank publishes the metrics of each forward pass.
    #[serde(default)]
    pub forward_pass: Option<String>,
}

impl Source {
    /// Whether the engine publishes the changes of its cache.
    pub fn has_events(&self) -> bool {
        self.endpoint.is_some() || self.bind.is_some()
    }
}
