//! The plugin that serves, and what it may do. None of these exists in Dynamo.

use clap::{ArgAction, Args};
use dynamo_host_plugin::Grant;
use serde_json::Value;

use super::values::setting;

/// The plugin that serves.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Plugin")]
pub struct PluginFlags {
    /// A component file, or a name looked up beside the program and in DYN_HOST_PLUGIN_DIR.
    /// Default: the plugin of the worker type.
    #[arg(long, env = "DYN_HOST_PLUGIN")]
    pub plugin: Option<String>,

    /// Interfaces the plugin may import: log, engine, metrics, adapters, peers, media. May be
    /// repeated. By default all of these: none reaches further than the worker's own engine, its
    /// namespace, what clients link to (DYN_MM_*) and --media-output-fs-url.
    #[arg(
        long = "plugin-grant",
        env = "DYN_HOST_PLUGIN_GRANTS",
        value_name = "INTERFACE",
        value_delimiter = ',',
        default_values_t = Grant::ALL,
        action = ArgAction::Append
    )]
    pub plugin_grants: Vec<Grant>,

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
