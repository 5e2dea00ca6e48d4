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
}

impl Grant {
    /// Every grant this host can give.
    pub const ALL: [Grant; 3] = [Grant::Log, Grant::Engine, Grant::Metrics];

    /// The interface's name in the contract.
    pub const fn interface(self) -> &'static str {
        match self {
            Grant::Log => "log",
            Grant::Engine => "engine",
            Grant::Metrics => "metrics",
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
#[error("there is no grant `{0}`: the grants are log, engine and metrics")]
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

    /// Whether `grant` is among them.
    pub fn has(&self, grant: Grant) -> bool {
        self.0.contains(&grant)
    }
}

impl Default for Grants {
    /// What can do no harm: the log and the metrics, both bounded by the host.
    fn default() -> Self {
        Grants::only([Grant::Log, Grant::Metrics])
    }
}
