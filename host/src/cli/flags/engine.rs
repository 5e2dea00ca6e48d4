//! The engine's process.
//!
//! `--disagg-config`, `--gateway-workers` and `--sglang-trace-level` mirror `backend_args.py` of
//! `dynamo.sglang` 1.6.1; the rest is the host's own, which alone has an engine outside its process.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::seconds;

/// The engine's process.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Engine")]
pub struct EngineFlags {
    /// The program that is the engine, with its first words, instead of the plugin's choice, such
    /// as "/opt/sglang/bin/python -m sglang.launch_server".
    #[arg(long, env = "DYN_HOST_ENGINE_COMMAND", value_name = "COMMAND")]
    pub engine_command: Option<String>,

    /// An engine that runs already, such as http://127.0.0.1:30000: it is neither started nor
    /// stopped.
    #[arg(
        long,
        env = "DYN_HOST_ENGINE_URL",
        value_name = "URL",
        conflicts_with = "engine_command"
    )]
    pub engine_url: Option<String>,

    /// How long the engine may take to become ready, in seconds. Default: as long as it runs.
    #[arg(
        long,
        env = "DYN_HOST_ENGINE_START_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds
    )]
    pub engine_start_timeout: Option<Duration>,

    /// How long the engine may take to end after SIGTERM before it is killed, in seconds.
    #[arg(
        long,
        env = "DYN_HOST_ENGINE_STOP_TIMEOUT",
        value_name = "SECONDS",
        value_parser = seconds,
        default_value = "30"
    )]
    pub engine_stop_timeout: Duration,

    /// A YAML file with a section of engine flags for each kind of worker. The section is the
    /// engine's --config; flags on the command line win over it.
    #[arg(long, env = "DYN_SGL_DISAGG_CONFIG", value_name = "FILE")]
    pub disagg_config: Option<PathBuf>,

    /// The section of --disagg-config to take, such as prefill or decode.
    #[arg(long, env = "DYN_SGL_DISAGG_CONFIG_KEY", value_name = "KEY")]
    pub disagg_config_key: Option<String>,

    /// Processes that take requests in front of the engine: its --tokenizer-worker-num.
    #[arg(
        long,
        env = "DYN_SGL_GATEWAY_WORKERS",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub gateway_workers: Option<u32>,

    /// How much the engine's --enable-trace records, from 1 (least) to 4.
    #[arg(
        long,
        env = "SGLANG_TRACE_LEVEL",
        value_name = "LEVEL",
        default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(1..=4)
    )]
    pub sglang_trace_level: u8,
}
