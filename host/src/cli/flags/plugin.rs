//! The plugins that serve, and what they may do. None of these exists in Dynamo.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args};
use dynamo_host_plugin::{Grant, Grants, UnknownGrant};
use serde_json::Value;

use super::values::{seconds, setting};
use crate::locate;

/// The plugins that serve.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Plugin")]
pub struct PluginFlags {
    /// A component file, a name looked up beside the program and in DYN_HOST_PLUGIN_DIR, or
    /// nats://BUCKET/NAME, an object in a JetStream object store of NATS_SERVER. A new version there
    /// takes over while requests go on. Default: the plugin of the worker type. May be repeated: the
    /// first plugin prepares the engine, and each serves an endpoint of its own from it.
    #[arg(
        long,
        env = "DYN_HOST_PLUGIN",
        value_name = "PLUGIN",
        value_delimiter = ',',
        action = ArgAction::Append
    )]
    pub plugin: Vec<String>,

    /// Interfaces a plugin may import beside those it may by default: peers (other workers of the
    /// namespace), media (what clients link to, by DYN_MM_*, and --media-output-fs-url). By default
    /// log, metrics, engine and adapters; and all, for a plugin that is looked up by its name beside
    /// the program or in DYN_HOST_PLUGIN_DIR. `none` takes the default away. May be repeated, and
    /// given to one plugin by its name: `PLUGIN=INTERFACE`.
    #[arg(
        long = "plugin-grant",
        env = "DYN_HOST_PLUGIN_GRANTS",
        value_name = "[PLUGIN=]INTERFACE",
        value_delimiter = ',',
        action = ArgAction::Append
    )]
    pub plugin_grants: Vec<OfPlugin<Granted>>,

    /// A setting of the plugin's own, as NAME=VALUE; a value that is JSON is taken as JSON. May be
    /// repeated.
    #[arg(
        long = "plugin-setting",
        env = "DYN_HOST_PLUGIN_SETTINGS",
        value_name = "NAME=VALUE",
        value_delimiter = ';',
        value_parser = setting,
        action = ArgAction::Append
    )]
    pub plugin_settings: Vec<(String, Value)>,

    /// Case files, or folders with them, that a new version must pass before it serves, beside those
    /// it carries. May be repeated, and given to one plugin by its name: PLUGIN=PATH.
    #[arg(
        long,
        env = "DYN_HOST_PLUGIN_CASES",
        value_name = "[PLUGIN=]PATH",
        value_delimiter = ',',
        action = ArgAction::Append
    )]
    pub plugin_cases: Vec<OfPlugin<PathBuf>>,

    /// How long the version before waits after a new one took over, in seconds. If the new one fails
    /// requests meanwhile that the other would not have, it goes back by itself. 0: never.
    #[arg(
        long,
        env = "DYN_HOST_PLUGIN_PROBATION",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "300"
    )]
    pub plugin_probation: Duration,

    /// How long one call into the plugin may take, in milliseconds.
    #[arg(long, env = "DYN_HOST_PLUGIN_TIMEOUT_MS", default_value_t = 2000)]
    pub plugin_timeout_ms: u64,
}

/// What is for one plugin (`PLUGIN=...`), or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfPlugin<T> {
    /// The plugin, as [`locate::name`] calls it.
    plugin: Option<String>,
    value: T,
}

impl<T: FromStr> FromStr for OfPlugin<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let (plugin, value) = match text.split_once('=') {
            Some((plugin, value)) => (Some(locate::name(plugin)), value),
            None => (None, text),
        };
        Ok(OfPlugin { plugin, value: value.parse()? })
    }
}

/// A grant; or, as `none`, that a plugin has none by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted(Option<Grant>);

/// Takes the default away.
const NONE: &str = "none";

impl FromStr for Granted {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        Ok(Granted(if text == NONE { None } else { Some(text.parse()?) }))
    }
}

impl PluginFlags {
    /// What `plugin` (a value of `--plugin`) is granted: what it has by default, and what is granted
    /// to it and to all. Whoever may install a plugin where the host looks one up may do anything
    /// with the host; whoever brings a file may not.
    pub fn grants(&self, plugin: &str) -> Grants {
        let granted = of(&self.plugin_grants, plugin).map(|granted| granted.0);
        let by_default = if granted.clone().any(|grant| grant.is_none()) {
            Grants::only([])
        } else if locate::is_looked_up(plugin) {
            Grants::only(Grant::ALL)
        } else {
            Grants::default()
        };
        by_default.and(granted.flatten())
    }

    /// The cases that a new version of `plugin` is held to.
    pub fn cases(&self, plugin: &str) -> Vec<PathBuf> {
        of(&self.plugin_cases, plugin).cloned().collect()
    }
}

/// What is for `plugin` and for all.
fn of<'a, T>(all: &'a [OfPlugin<T>], plugin: &str) -> impl Iterator<Item = &'a T> + Clone {
    let name = locate::name(plugin);
    let is_for = move |one: &&OfPlugin<T>| one.plugin.as_ref().is_none_or(|plugin| *plugin == name);
    all.iter().filter(is_for).map(|one| &one.value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn flags(grants: &[&str]) -> PluginFlags {
        PluginFlags {
            plugin: Vec::new(),
            plugin_grants: grants.iter().map(|text| text.parse().unwrap()).collect(),
            plugin_settings: Vec::new(),
            plugin_cases: vec!["score=/cases/score".parse().unwrap()],
            plugin_probation: Duration::ZERO,
            plugin_timeout_ms: 2000,
        }
    }

    #[test]
    fn what_is_given_is_for_one_plugin_or_for_all() {
        let flags = flags(&["none", "log", "score=engine", "other.wasm=peers"]);
        let only = |grants: &[Grant]| Grants::only(grants.iter().copied());
        assert_eq!(flags.grants("/x/score.wasm"), only(&[Grant::Log, Grant::Engine]));
        assert_eq!(flags.grants("nats://plugins/other"), only(&[Grant::Log, Grant::Peers]));
        assert_eq!(flags.grants("decode"), only(&[Grant::Log]));
        assert_eq!(flags.cases("score"), [PathBuf::from("/cases/score")]);
        assert!(flags.cases("decode").is_empty());
    }

    #[test]
    fn a_plugin_that_is_installed_may_more_than_one_that_is_brought() {
        let flags = flags(&["score=media"]);
        assert_eq!(flags.grants("decode"), Grants::only(Grant::ALL));
        assert_eq!(flags.grants("./decode.wasm"), Grants::default());
        assert_eq!(flags.grants("/x/score.wasm"), Grants::default().and([Grant::Media]));
        let error = "score=fly".parse::<OfPlugin<Granted>>().unwrap_err().to_string();
        assert!(error.contains("`fly`"), "{error}");
    }
}
