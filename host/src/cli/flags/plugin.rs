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

    /// Interfaces a plugin may import: log, engine, metrics, adapters, peers, media. May be
    /// repeated, and given to one plugin by its name: `PLUGIN=INTERFACE`. By default all of these:
    /// none reaches further than the worker's own engine, its namespace, what clients link to
    /// (DYN_MM_*) and --media-output-fs-url.
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

/// A grant to one plugin, or to all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginGrant {
    /// The plugin, as [`locate::name`] calls it.
    pub plugin: Option<String>,
    /// What it may import.
    pub grant: Grant,
}

impl FromStr for PluginGrant {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        let (plugin, grant) = match text.split_once('=') {
            Some((plugin, grant)) => (Some(locate::name(plugin)), grant),
            None => (None, text),
        };
        Ok(PluginGrant { plugin, grant: grant.parse()? })
    }
}

impl PluginFlags {
    /// What `plugin` (a value of `--plugin`) is granted: what is granted to it and to all, or what
    /// every plugin may do if nothing is.
    pub fn grants(&self, plugin: &str) -> Grants {
        let name = locate::name(plugin);
        let granted: Vec<Grant> = self
            .plugin_grants
            .iter()
            .filter(|granted| granted.plugin.as_ref().is_none_or(|plugin| *plugin == name))
            .map(|granted| granted.grant)
            .collect();
        if granted.is_empty() { Grants::default() } else { Grants::only(granted) }
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
        let flags = flags(&["log", "score=engine", "other.wasm=peers"]);
        let only = |grants: &[Grant]| Grants::only(grants.iter().copied());
        assert_eq!(flags.grants("/x/score.wasm"), only(&[Grant::Log, Grant::Engine]));
        assert_eq!(flags.grants("nats://plugins/other"), only(&[Grant::Log, Grant::Peers]));
        assert_eq!(flags.grants("decode"), only(&[Grant::Log]));
    }

    #[test]
    fn a_plugin_that_is_granted_nothing_has_the_default() {
        assert_eq!(flags(&["score=engine"]).grants("decode"), Grants::default());
        let error = "score=fly".parse::<PluginGrant>().unwrap_err().to_string();
        assert!(error.contains("`fly`"), "{error}");
    }
}
