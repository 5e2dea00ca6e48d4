//! The plugins that serve, and what they may do. None of these exists in Dynamo.

use std::str::FromStr;

use clap::{ArgAction, Args};
use dynamo_host_plugin::{Grant, Grants, UnknownGrant};
use serde_json::Value;

use super::values::setting;
use crate::locate;

/// The plugins that serve.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Plugin")]
pub struct PluginFlags {
    /// A component file, or a name looked up beside the program and in DYN_HOST_PLUGIN_DIR.
    /// Default: the plugin of the worker type. May be repeated: the first plugin prepares the
    /// engine, and each serves an endpoint of its own from it.
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
    /// log, metrics, engine, adapters and service; and all, for a plugin that is looked up by its name
    /// beside the program or in DYN_HOST_PLUGIN_DIR. `none` takes the default away. May be repeated, and
    /// given to one plugin by its name: `PLUGIN=INTERFACE`.
    #[arg(
        long = "plugin-grant",
        env = "DYN_HOST_PLUGIN_GRANTS",
        value_name = "[PLUGIN=]INTERFACE",
        value_delimiter = ',',
        action = ArgAction::Append
    )]
    pub plugin_grants: Vec<PluginGrant>,

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

    /// How long one call into the plugin may take, in milliseconds.
    #[arg(long, env = "DYN_HOST_PLUGIN_TIMEOUT_MS", default_value_t = 2000)]
    pub plugin_timeout_ms: u64,
}

/// A grant to one plugin, or to all; or that it has none of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginGrant {
    /// The plugin, as [`locate::name`] calls it.
    pub plugin: Option<String>,
    /// What it may import; none for `none`.
    pub grant: Option<Grant>,
}

/// Takes the default away.
const NONE: &str = "none";

impl FromStr for PluginGrant {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        let (plugin, grant) = match text.split_once('=') {
            Some((plugin, grant)) => (Some(locate::name(plugin)), grant),
            None => (None, text),
        };
        let grant = if grant == NONE { None } else { Some(grant.parse()?) };
        Ok(PluginGrant { plugin, grant })
    }
}

impl PluginFlags {
    /// What `plugin` (a value of `--plugin`) is granted: what it has by default, and what is granted
    /// to it and to all. Whoever may install a plugin where the host looks one up may do anything
    /// with the host; whoever brings a file may not.
    pub fn grants(&self, plugin: &str) -> Grants {
        let name = locate::name(plugin);
        let granted = self
            .plugin_grants
            .iter()
            .filter(|granted| granted.plugin.as_ref().is_none_or(|plugin| *plugin == name))
            .map(|granted| granted.grant);
        let by_default = if granted.clone().any(|grant| grant.is_none()) {
            Grants::only([])
        } else if locate::is_looked_up(plugin) {
            Grants::only(Grant::ALL)
        } else {
            Grants::default()
        };
        by_default.and(granted.flatten())
    }
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
            plugin_timeout_ms: 2000,
        }
    }

    #[test]
    fn a_grant_is_for_one_plugin_or_for_all() {
        let flags = flags(&["none", "log", "score=engine", "other.wasm=peers"]);
        let only = |grants: &[Grant]| Grants::only(grants.iter().copied());
        assert_eq!(flags.grants("/x/score.wasm"), only(&[Grant::Log, Grant::Engine]));
        assert_eq!(flags.grants("nats://plugins/other"), only(&[Grant::Log, Grant::Peers]));
        assert_eq!(flags.grants("decode"), only(&[Grant::Log]));
    }

    #[test]
    fn a_plugin_that_is_installed_may_more_than_one_that_is_brought() {
        let flags = flags(&["score=media"]);
        assert_eq!(flags.grants("decode"), Grants::only(Grant::ALL));
        assert_eq!(flags.grants("./decode.wasm"), Grants::default());
        assert_eq!(flags.grants("/x/score.wasm"), Grants::default().and([Grant::Media]));
        let error = "score=fly".parse::<PluginGrant>().unwrap_err().to_string();
        assert!(error.contains("`fly`"), "{error}");
    }
}
