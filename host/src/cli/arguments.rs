//! The host's own flags. Where Dynamo's SGLang backend has a flag, its name, variable and meaning
//! are the same here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};
use dynamo_host_plane::{Discovery, EndpointId, EventPlane, RequestPlane};
use dynamo_host_plugin::Grant;
use serde_json::Value;

/// Serve a model as a worker of NVIDIA Dynamo: a plugin shapes the requests, an engine in a process
/// of its own answers them.
///
/// Flags that are not listed here go to the engine as they are, in their order; so does everything
/// after `--`. `dynamo-host check --help` tells about testing a plugin.
#[derive(Clone, Debug, Parser)]
#[command(name = "dynamo-host", version, max_term_width = 100)]
pub struct Arguments {
    /// The worker type: a component file, or a name looked up beside the program and in
    /// DYN_HOST_PLUGIN_DIR.
    #[arg(long, env = "DYN_HOST_PLUGIN", default_value = "decode", help_heading = "Worker")]
    pub plugin: String,

    /// The model: a directory, a file or a name, as the engine takes it.
    #[arg(long, visible_alias = "model", env = "DYN_HOST_MODEL_PATH", help_heading = "Worker")]
    pub model_path: Option<String>,

    /// The name clients ask for. Several, separated by commas: the first is the name, the others
    /// are aliases. Default: the model path.
    #[arg(long, env = "DYN_HOST_SERVED_MODEL_NAME", help_heading = "Worker")]
    pub served_model_name: Option<String>,

    /// Interfaces the plugin may import: log, metrics, engine. May be repeated.
    #[arg(
        long = "plugin-grant",
        env = "DYN_HOST_PLUGIN_GRANTS",
        value_name = "INTERFACE",
        value_delimiter = ',',
        default_value = "log,metrics",
        help_heading = "Worker"
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
        action = ArgAction::Append,
        help_heading = "Worker"
    )]
    pub plugin_settings: Vec<(String, Value)>,

    /// How long one call into the plugin may take, in milliseconds.
    #[arg(
        long,
        env = "DYN_HOST_PLUGIN_TIMEOUT_MS",
        default_value_t = 2000,
        help_heading = "Worker"
    )]
    pub plugin_timeout_ms: u64,

    /// The program that is the engine, with its first words, instead of the plugin's choice, such
    /// as "/opt/sglang/bin/python -m sglang.launch_server".
    #[arg(long, env = "DYN_HOST_ENGINE_COMMAND", value_name = "COMMAND", help_heading = "Engine")]
    pub engine_command: Option<String>,

    /// An engine that runs already, such as http://127.0.0.1:30000: it is neither started nor
    /// stopped.
    #[arg(
        long,
        env = "DYN_HOST_ENGINE_URL",
        value_name = "URL",
        conflicts_with = "engine_command",
        help_heading = "Engine"
    )]
    pub engine_url: Option<String>,

    /// How long the engine may take to become ready, in seconds. Default: as long as it runs.
    #[arg(
        long = "engine-start-timeout",
        env = "DYN_HOST_ENGINE_START_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        help_heading = "Engine"
    )]
    pub engine_start_timeout: Option<Duration>,

    /// How long the engine may take to end after SIGTERM before it is killed, in seconds.
    #[arg(
        long = "engine-stop-timeout",
        env = "DYN_HOST_ENGINE_STOP_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "30",
        help_heading = "Engine"
    )]
    pub engine_stop_timeout: Duration,

    /// Where the worker stands, as dyn://namespace.component.endpoint. Default: by the namespace
    /// and the worker type.
    #[arg(long, env = "DYN_ENDPOINT", help_heading = "Dynamo")]
    pub endpoint: Option<EndpointId>,

    /// The namespace, when no endpoint is given; DYN_NAMESPACE_WORKER_SUFFIX is appended to it.
    #[arg(long, env = "DYN_NAMESPACE", default_value = "dynamo", help_heading = "Dynamo")]
    pub namespace: String,

    /// Where frontends find workers: file (a directory, DYN_FILE_KV), etcd, kubernetes or mem.
    #[arg(long, env = "DYN_DISCOVERY_BACKEND", default_value = "file", help_heading = "Dynamo")]
    pub discovery_backend: Discovery,

    /// How requests arrive: tcp or nats.
    #[arg(long, env = "DYN_REQUEST_PLANE", default_value = "tcp", help_heading = "Dynamo")]
    pub request_plane: RequestPlane,

    /// How events leave: zmq or nats. Default: zmq for file and mem discovery, otherwise nats.
    #[arg(long, env = "DYN_EVENT_PLANE", help_heading = "Dynamo")]
    pub event_plane: Option<EventPlane>,

    /// The OpenAI endpoints to serve, of those the worker type has: chat, completions.
    #[arg(
        long,
        visible_alias = "dyn-endpoint-types",
        env = "DYN_ENDPOINT_TYPES",
        default_value = "chat,completions",
        help_heading = "Dynamo"
    )]
    pub endpoint_types: String,

    /// The parser of tool calls the frontend uses.
    #[arg(long, env = "DYN_TOOL_CALL_PARSER", help_heading = "Dynamo")]
    pub dyn_tool_call_parser: Option<String>,

    /// The parser of reasoning the frontend uses.
    #[arg(long, env = "DYN_REASONING_PARSER", help_heading = "Dynamo")]
    pub dyn_reasoning_parser: Option<String>,

    /// A chat template to use instead of the model's.
    #[arg(long, env = "DYN_CUSTOM_JINJA_TEMPLATE", value_name = "FILE", help_heading = "Dynamo")]
    pub custom_jinja_template: Option<PathBuf>,

    /// After SIGTERM, how long requests are still taken once the worker has left discovery, in
    /// seconds. What is in flight then goes on.
    #[arg(
        long = "grace-period",
        env = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "5",
        help_heading = "Dynamo"
    )]
    pub grace_period: Duration,

    /// After the grace period, how long requests in flight may take to finish, in seconds. What
    /// remains then is handed over to another worker.
    #[arg(
        long = "drain-timeout",
        env = "DYN_HOST_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "300",
        help_heading = "Dynamo"
    )]
    pub drain_timeout: Duration,

    /// The words for the engine.
    #[arg(skip)]
    pub engine_arguments: Vec<String>,
}

impl Arguments {
    /// The name clients ask for and its aliases.
    pub fn served_names(&self) -> Vec<String> {
        let names = self.served_model_name.iter().flat_map(|names| {
            names.split([',', ' ']).filter(|name| !name.is_empty()).map(String::from)
        });
        let names: Vec<String> = names.collect();
        match (&self.model_path, names.is_empty()) {
            (Some(model), true) => vec![model.clone()],
            _ => names,
        }
    }

    /// What the plugin gets as its settings: Dynamo's flags by their names, then its own.
    pub fn settings(&self) -> Value {
        let mut settings = serde_json::json!({
            "endpoint_types": self.endpoint_types,
            "dyn_tool_call_parser": self.dyn_tool_call_parser,
            "dyn_reasoning_parser": self.dyn_reasoning_parser,
        });
        for (name, value) in &self.plugin_settings {
            settings[name] = value.clone();
        }
        settings
    }
}

fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), json))
}

/// Seconds, whole or not. Less than none is none, as Dynamo takes it.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_setting_is_json_where_it_can_be() {
        assert_eq!(setting("a=1").unwrap(), ("a".into(), Value::from(1)));
        assert_eq!(setting("a=b=c").unwrap(), ("a".into(), Value::from("b=c")));
        assert!(setting("a").is_err());
    }

    #[test]
    fn the_first_name_is_the_name() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).unwrap().served_names();
        assert_eq!(parse(&["host", "--served-model-name", "a,b c"]), ["a", "b", "c"]);
        assert_eq!(parse(&["host", "--model", "m"]), ["m"]);
        assert!(parse(&["host"]).is_empty());
    }

    #[test]
    fn a_negative_time_is_none() {
        assert_eq!(seconds("-3").unwrap(), Duration::ZERO);
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(seconds("soon").is_err());
    }
}
