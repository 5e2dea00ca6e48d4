//! Which of the contract's imports the operator lets a plugin use.

use std::fmt;
use std::str::FromStr;

/// One import interface of `dynamo:worker` that must be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// Write to the host's log.
    Log,
    /// Send control calls to the engine.
    Engine,
    /// Record numbers for `/metrics`.
    Metrics,
    /// Fetch LoRA adapters and publish their model cards.
    Adapters,
    /// Send requests to other workers of the namespace.
    Peers,
    /// Fetch what clients link to, and store what the engine makes.
    Media,
    /// Take the worker out of discovery and bring it back.
    Service,
}

impl Grant {
    /// Every grant this host can give.
    pub const ALL: [Grant; 7] = [
        Grant::Log,
        Grant::Engine,
        Grant::Metrics,
        Grant::Adapters,
        Grant::Peers,
        Grant::Media,
        Grant::Service,
    ];

    /// The interface's name in the contract.
    pub const fn interface(self) -> &'static str {
        match self {
            Grant::Log => "log",
            Grant::Engine => "engine",
            Grant::Metrics => "metrics",
            Grant::Adapters => "adapters",
            Grant::Peers => "peers",
            Grant::Media => "media",
            Grant::Service => "service",
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.interface())
    }
}

/// A name that is no grant.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no grant `{0}`: the grants are log, engine, metrics, adapters, peers, media and service"
)]
pub struct UnknownGrant(String);

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(name: &str) -> Result<Self, UnknownGrant> {
        Grant::ALL
            .into_iter()
            .find(|grant| grant.interface() == name)
            .ok_or_else(|| UnknownGrant(name.to_owned()))
    }
}

/// What one plugin is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Exactly these.
    pub fn only(grants: impl IntoIterator<Item = Grant>) -> Self {
        Grants(grants.into_iter().collect())
    }

    /// These and `more`.
    pub fn and(mut self, more: impl IntoIterator<Item = Grant>) -> Self {
        self.0.extend(more);
        self
    }

    /// Whether `grant` is among them.
    pub fn has(&self, grant: Grant) -> bool {
        self.0.contains(&grant)
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|grant| grant.interface()).collect();
        f.write_str(&names.join(","))
    }
}

impl Default for Grants {
    /// The least a worker type can do with, and what can do no harm: the log and the metrics, both
    /// bounded by the host; the engine, which a plan may send anything to anyway; the worker's own place
    /// in discovery, which only routes touch; adapters, which are off unless the operator turns them on.
    /// Not what leads to other machines: peers and media.
    fn default() -> Self {
        Grants::only([Grant::Log, Grant::Engine, Grant::Metrics, Grant::Adapters, Grant::Service])
    }
}
