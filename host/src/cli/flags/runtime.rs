//! The worker's place in Dynamo. Mirrors `runtime_args.py` of Dynamo 1.6.1.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dynamo_host_plane::{Discovery, EndpointId, EventPlane, RequestPlane};

use super::values::seconds;

/// The namespace of who names none.
pub const NAMESPACE: &str = "dynamo";

/// The worker's place in Dynamo.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Dynamo")]
pub struct RuntimeFlags {
    /// Where the worker stands, as dyn://namespace.component.endpoint. Default: by the namespace
    /// and the worker type.
    #[arg(long, env = "DYN_ENDPOINT")]
    pub endpoint: Option<EndpointId>,

    /// The namespace, when no endpoint is given; DYN_NAMESPACE_WORKER_SUFFIX is appended to it.
    #[arg(long, env = "DYN_NAMESPACE", default_value = NAMESPACE)]
    pub namespace: String,

    /// Where frontends find workers: file (a directory, DYN_FILE_KV), etcd, kubernetes or mem.
    #[arg(long, env = "DYN_DISCOVERY_BACKEND", value_name = "BACKEND", default_value = "file")]
    pub discovery_backend: Discovery,

    /// How requests arrive: tcp or nats.
    #[arg(long, env = "DYN_REQUEST_PLANE", value_name = "PLANE", default_value = "tcp")]
    pub request_plane: RequestPlane,

    /// How responses leave; the frontend must use the same.
    #[arg(
        long,
        env = "DYN_RESPONSE_PLANE",
        value_name = "PLANE",
        default_value = "tcp",
        value_parser = ["tcp", "quic"]
    )]
    pub response_plane: String,

    /// How events leave: zmq or nats. Default: zmq for file and mem discovery, otherwise nats.
    #[arg(long, env = "DYN_EVENT_PLANE", value_name = "PLANE")]
    pub event_plane: Option<EventPlane>,

    /// Requests served at a time; more are refused. Default: as many as come.
    #[arg(
        long,
        env = "DYN_ENGINE_REQUEST_LIMIT",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub engine_request_limit: Option<u32>,

    /// The request that shows whether the worker is well, instead of the plugin's: a JSON object, or
    /// @FILE with one.
    #[arg(long, env = "DYN_HEALTH_CHECK_PAYLOAD", value_name = "JSON")]
    pub health_check_payload: Option<String>,

    /// Have the engine measure its forward passes, and Dynamo keep the measurements in files.
    #[arg(long, env = "DYN_FPM_TRACE")]
    pub fpm_trace: bool,

    /// For other backends of Dynamo; nothing here.
    #[arg(long, env = "DYN_CONNECTOR", hide = true, num_args = 0..)]
    pub connector: Vec<String>,

    /// After SIGTERM, how long requests are still taken once the worker has left discovery, in
    /// seconds. What is in flight then goes on.
    #[arg(
        long,
        env = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "5"
    )]
    pub grace_period: Duration,

    /// After the grace period, how long requests in flight may take to finish, in seconds. What
    /// remains then is handed over to another worker.
    #[arg(
        long,
        env = "DYN_HOST_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "300"
    )]
    pub drain_timeout: Duration,

    /// A file with the token that calls under /engine/ must carry which change something, in the
    /// member `token` of their body. Default: they need none; DYN_SYSTEM_HOST says who reaches them.
    #[arg(long, env = "DYN_HOST_ROUTE_TOKEN_FILE", value_name = "FILE")]
    pub route_token_file: Option<PathBuf>,

    /// Write the configuration that came of flags, variables and files to a file, as JSON.
    #[arg(long, env = "DYN_DUMP_CONFIG_TO", value_name = "FILE")]
    pub dump_config_to: Option<PathBuf>,
}
