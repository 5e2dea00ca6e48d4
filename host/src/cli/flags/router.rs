//! How a frontend routes requests to workers of this model: told by the model card, so that each set
//! of workers has its own way.
//!
//! Mirrors `router_args.py` and `kv_router_args.py` of Dynamo 1.6.1. The fields of [`KvRouterFlags`]
//! are called as the card calls them.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use serde::{Deserialize, Serialize};

use super::values::{fraction, not_negative};

/// How a frontend routes requests to workers of this model.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Routing, told to the frontend")]
pub struct RouterFlags {
    /// How requests are spread over the workers. Without it the frontend goes by its own flags, and
    /// those below mean nothing.
    #[arg(
        long,
        env = "DYN_ROUTER_MODE",
        value_name = "MODE",
        value_parser = [
            "round-robin", "random", "power-of-two", "kv", "direct", "least-loaded",
            "device-aware-weighted",
        ]
    )]
    pub router_mode: Option<String>,

    /// Keep a session at its worker until nothing came of it for so many seconds.
    #[arg(long, env = "DYN_ROUTER_SESSION_AFFINITY_TTL_SECS", value_name = "SECONDS")]
    pub router_session_affinity_ttl_secs: Option<u64>,

    /// Whether a session must go to its worker or should.
    #[arg(
        long,
        env = "DYN_ROUTER_SESSION_AFFINITY_MODE",
        value_name = "MODE",
        default_value = "hard",
        value_parser = ["hard", "soft"]
    )]
    pub router_session_affinity_mode: String,

    /// A worker is busy with more than this part (0.0 to 1.0) of its KV cache in use; or None.
    #[arg(
        long,
        env = "DYN_ACTIVE_DECODE_BLOCKS_THRESHOLD",
        value_name = "FRACTION",
        value_parser = fraction
    )]
    pub active_decode_blocks_threshold: Option<Limit>,

    /// A worker is busy with more tokens of prompts than this; or None.
    #[arg(
        long,
        env = "DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD",
        value_name = "TOKENS",
        value_parser = not_negative
    )]
    pub active_prefill_tokens_threshold: Option<Limit>,

    /// The same in batches of the engine's; or None.
    #[arg(
        long,
        env = "DYN_ACTIVE_PREFILL_TOKENS_THRESHOLD_FRAC",
        value_name = "BATCHES",
        value_parser = not_negative
    )]
    pub active_prefill_tokens_threshold_frac: Option<Limit>,

    /// What --router-mode kv goes by.
    #[command(flatten)]
    pub kv: KvRouterFlags,

    /// Deprecated: go by load alone, and not by what the KV caches hold.
    #[arg(long, env = "DYN_ROUTER_LOAD_AWARE", hide = true)]
    pub load_aware: bool,

    /// Deprecated: --router-prefill-load-scale.
    #[arg(
        long,
        alias = "kv-overlap-score-weight",
        env = "DYN_ROUTER_KV_OVERLAP_SCORE_WEIGHT",
        hide = true
    )]
    pub router_kv_overlap_score_weight: Option<f64>,

    /// When prompts are left to decode workers, as a JSON object: policy, eff_isl_threshold,
    /// eff_isl_ratio_threshold, prefill_busy_threshold, decode_busy_threshold.
    #[arg(
        long,
        env = "DYN_ROUTER_CONDITIONAL_DISAGG_CONFIG",
        value_name = "JSON",
        value_parser = conditional
    )]
    pub router_conditional_disagg_config: Option<ConditionalDisagg>,
}

/// What `--router-mode kv` goes by. All of it is on the card.
#[derive(Args, Clone, Debug, Serialize)]
pub struct KvRouterFlags {
    /// What a block of a prompt in a worker's cache is worth, 0.0 to 1.0.
    #[arg(
        long = "router-kv-overlap-score-credit",
        env = "DYN_ROUTER_KV_OVERLAP_SCORE_CREDIT",
        default_value_t = 1.0
    )]
    pub overlap_score_credit: f64,

    /// How fast that falls with the worker's load.
    #[arg(
        long = "router-kv-overlap-score-credit-decay",
        env = "DYN_ROUTER_KV_OVERLAP_SCORE_CREDIT_DECAY",
        default_value_t = 0.0
    )]
    pub overlap_score_credit_decay: f64,

    /// What prompts weigh against answers.
    #[arg(
        long = "router-prefill-load-scale",
        env = "DYN_ROUTER_PREFILL_LOAD_SCALE",
        default_value_t = 1.0
    )]
    pub prefill_load_scale: f64,

    /// What a request being answered weighs by itself.
    #[arg(
        long = "router-decode-active-request-weight",
        env = "DYN_ROUTER_DECODE_ACTIVE_REQUEST_WEIGHT",
        default_value_t = 0.0
    )]
    pub decode_active_request_weight: f64,

    /// What a block in the memory of a worker's machine is worth.
    #[arg(
        long = "router-host-cache-hit-weight",
        env = "DYN_ROUTER_HOST_CACHE_HIT_WEIGHT",
        default_value_t = 0.75
    )]
    pub host_cache_hit_weight: f64,

    /// What a block on its disks is worth.
    #[arg(
        long = "router-disk-cache-hit-weight",
        env = "DYN_ROUTER_DISK_CACHE_HIT_WEIGHT",
        default_value_t = 0.25
    )]
    pub disk_cache_hit_weight: f64,

    /// How much chance there is in the choice of a worker.
    #[arg(long, env = "DYN_ROUTER_TEMPERATURE", default_value_t = 0.0)]
    pub router_temperature: f64,

    /// Guess what the caches hold, and do not listen to the workers' KV events.
    #[arg(
        long = "no-router-kv-events",
        alias = "no-kv-events",
        env = "DYN_ROUTER_USE_KV_EVENTS",
        action = ArgAction::SetFalse
    )]
    pub use_kv_events: bool,

    /// Have the frontends tell each other what they route.
    #[arg(long, env = "DYN_ROUTER_REPLICA_SYNC")]
    pub router_replica_sync: bool,

    /// Do not count the blocks in use.
    #[arg(
        long = "no-router-track-active-blocks",
        alias = "no-track-active-blocks",
        env = "DYN_ROUTER_TRACK_ACTIVE_BLOCKS",
        action = ArgAction::SetFalse
    )]
    pub router_track_active_blocks: bool,

    /// Count the blocks of answers, too.
    #[arg(long, alias = "track-output-blocks", env = "DYN_ROUTER_TRACK_OUTPUT_BLOCKS")]
    pub router_track_output_blocks: bool,

    /// Take no two prompts to share blocks in use.
    #[arg(
        long = "no-router-assume-kv-reuse",
        alias = "no-assume-kv-reuse",
        env = "DYN_ROUTER_ASSUME_KV_REUSE",
        action = ArgAction::SetFalse
    )]
    pub router_assume_kv_reuse: bool,

    /// Do not count tokens of prompts as load.
    #[arg(
        long = "no-router-track-prefill-tokens",
        env = "DYN_ROUTER_TRACK_PREFILL_TOKENS",
        action = ArgAction::SetFalse
    )]
    pub router_track_prefill_tokens: bool,

    /// The hash by which blocks in use are told apart.
    #[arg(
        long,
        env = "DYN_ROUTER_TRACKING_HASH",
        default_value = "public-xxh3-v1",
        value_parser = ["public-xxh3-v1", "keyed-xxh3-v1"]
    )]
    pub router_tracking_hash: String,

    /// The file with the key of that hash, at the frontend.
    #[arg(long, env = "DYN_ROUTER_TRACKING_KEY_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_tracking_key_file: Option<String>,

    /// Which key that is.
    #[arg(long, env = "DYN_ROUTER_TRACKING_KEY_ID", value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_tracking_key_id: Option<String>,

    /// How the load of prompts is foreseen: none or ais.
    #[arg(
        long,
        env = "DYN_ROUTER_PREFILL_LOAD_MODEL",
        default_value = "none",
        value_parser = prefill_load_model
    )]
    pub router_prefill_load_model: String,

    /// Without KV events, for how many seconds a block is taken to be cached.
    #[arg(long, env = "DYN_ROUTER_TTL_SECS", value_name = "SECONDS", default_value_t = 120.0)]
    pub router_ttl_secs: f64,

    /// Without KV events, what is taken to leave a cache first.
    #[arg(
        long,
        env = "DYN_ROUTER_APPROXIMATE_CACHE_POLICY",
        default_value = "ttl",
        value_parser = ["ttl", "lru"]
    )]
    pub router_approximate_cache_policy: String,

    /// Requests wait at the frontend while all workers have more batches of prompts than this; or
    /// None.
    #[arg(
        long,
        env = "DYN_ROUTER_QUEUE_THRESHOLD",
        value_name = "BATCHES",
        value_parser = not_negative
    )]
    pub router_queue_threshold: Option<Limit>,

    /// A YAML file with all of this in its section `router`, and more that the frontend reads at the
    /// same path.
    #[arg(long, env = "DYN_ROUTER_POLICY_CONFIG", value_name = "FILE")]
    pub router_policy_config: Option<PathBuf>,

    /// Let decode workers do the prefill of some requests.
    #[arg(long = "router-conditional-disagg", env = "DYN_ROUTER_CONDITIONAL_DISAGG")]
    pub conditional_disagg_enabled: bool,

    /// How prefill workers are chosen.
    #[arg(long, env = "DYN_ROUTER_PREFILL_POLICY", value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_prefill_policy: Option<String>,

    /// How decode workers are chosen.
    #[arg(long, env = "DYN_ROUTER_DECODE_POLICY", value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_decode_policy: Option<String>,

    /// Threads for what the caches hold.
    #[arg(long, env = "DYN_ROUTER_EVENT_THREADS", value_name = "N", default_value_t = 4)]
    pub router_event_threads: u32,

    /// Which waiting request is next.
    #[arg(
        long,
        env = "DYN_ROUTER_QUEUE_POLICY",
        default_value = "fcfs",
        value_parser = ["fcfs", "wspt"]
    )]
    pub router_queue_policy: String,

    /// Ask a worker what the caches hold.
    #[arg(long, env = "DYN_USE_REMOTE_INDEXER")]
    pub use_remote_indexer: bool,

    /// Remember which blocks belong to a session.
    #[arg(long, env = "DYN_ENABLE_SESSION_PREFIX_INDEX")]
    pub enable_session_prefix_index: bool,

    /// What a block in a cache the workers share is worth, 0.0 to 1.0.
    #[arg(long, env = "DYN_SHARED_CACHE_MULTIPLIER", value_name = "FACTOR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_cache_multiplier: Option<f64>,

    /// The cache the workers share.
    #[arg(
        long,
        env = "DYN_SHARED_CACHE_TYPE",
        default_value = "none",
        value_parser = ["none", "hicache"]
    )]
    pub shared_cache_type: String,

    /// With KV events, for how many seconds a prompt just routed is taken to be cached.
    #[arg(long, env = "DYN_ROUTER_PREDICTED_TTL_SECS", value_name = "SECONDS")]
    pub router_predicted_ttl_secs: Option<f64>,
}

/// A number, or none, which is written `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Limit(pub Option<f64>);

/// `--router-conditional-disagg-config`. Its members are on the card with a prefix.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionalDisagg {
    /// What decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<ConditionalPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eff_isl_threshold: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eff_isl_ratio_threshold: Option<f64>,
    /// How many batches of prompts make a prefill worker busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill_busy_threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode_busy_threshold: Option<f64>,
}

/// What decides whether a decode worker does the prefill.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionalPolicy {
    /// The length of the prompt.
    IslBounding,
    /// The load of the prefill workers.
    PrefillLoad,
    /// Either.
    IslOrLoad,
}

fn conditional(text: &str) -> Result<ConditionalDisagg, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The model has been renamed.
fn prefill_load_model(text: &str) -> Result<String, String> {
    match text {
        "none" => Ok("none".into()),
        "ais" | "aic" => Ok("ais".into()),
        _ => Err("use none or ais".into()),
    }
}
