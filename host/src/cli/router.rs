//! The model card's `router_config`: how the frontend routes to workers of this model.
//!
//! Mirrors `build_router_config` and what it calls of Dynamo 1.6.1.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::UsageError;
use super::flags::{ConditionalPolicy, KvRouterFlags, RouterFlags};
use super::words::Given;

/// Members of `router_config.kv_router_config` that a policy file may set.
const SHARED: [&str; 20] = [
    "host_cache_hit_weight",
    "disk_cache_hit_weight",
    "use_kv_events",
    "router_replica_sync",
    "router_track_active_blocks",
    "router_track_output_blocks",
    "router_assume_kv_reuse",
    "router_track_prefill_tokens",
    "router_tracking_hash",
    "router_tracking_key_file",
    "router_tracking_key_id",
    "router_prefill_load_model",
    "router_ttl_secs",
    "router_approximate_cache_policy",
    "router_event_threads",
    "use_remote_indexer",
    "serve_indexer",
    "enable_session_prefix_index",
    "shared_cache_type",
    "router_predicted_ttl_secs",
];

/// What the frontend is told, or nothing: then it goes by its own flags.
///
/// # Errors
/// Flags that need others, and a policy file that cannot be read.
pub(super) fn resolve(
    flags: &RouterFlags,
    given: &Given,
    warnings: &mut Vec<String>,
) -> Result<Option<Value>, UsageError> {
    let Some(mode) = &flags.router_mode else { return Ok(None) };
    let kv = if mode == "kv" { kv_config(flags, given, warnings)? } else { json!({}) };
    let limits = [
        ("active_decode_blocks_threshold", flags.active_decode_blocks_threshold),
        ("active_prefill_tokens_threshold", flags.active_prefill_tokens_threshold),
        ("active_prefill_tokens_threshold_frac", flags.active_prefill_tokens_threshold_frac),
    ];
    let limits: Map<String, Value> = limits
        .into_iter()
        .filter_map(|(name, limit)| Some((name.to_owned(), number(name, limit?.0?))))
        .collect();
    Ok(Some(json!({
        "router_mode": card_mode(mode),
        "kv_router_config": kv,
        "load_threshold_config": limits,
        "session_affinity_ttl_secs": flags.router_session_affinity_ttl_secs,
        "session_affinity_mode": flags.router_session_affinity_mode,
    })))
}

/// Tokens are counted, the others measured.
fn number(name: &str, limit: f64) -> Value {
    if name == "active_prefill_tokens_threshold" { json!(limit as u64) } else { json!(limit) }
}

/// The mode as the card calls it.
fn card_mode(mode: &str) -> String {
    match mode {
        "kv" => "k_v".to_owned(),
        "power-of-two" => "power_of_two_choices".to_owned(),
        other => other.replace('-', "_"),
    }
}

fn kv_config(
    flags: &RouterFlags,
    given: &Given,
    warnings: &mut Vec<String>,
) -> Result<Value, UsageError> {
    let mut kv = flags.kv.clone();
    if let Some(weight) = flags.router_kv_overlap_score_weight {
        warnings.push(format!(
            "{} is deprecated: use --router-prefill-load-scale",
            given.name("router_kv_overlap_score_weight")
        ));
        kv.prefill_load_scale = weight;
        if weight == 0.0 {
            kv.overlap_score_credit = 0.0;
        }
    }
    if flags.load_aware {
        warnings.push(format!("{} is deprecated", given.name("load_aware")));
        go_by_load(&mut kv);
    }
    let mut config = match serde_json::to_value(&kv) {
        Ok(Value::Object(config)) => config,
        _ => Map::new(),
    };
    config.extend(conditional(flags, given)?);
    if let Some(path) = &kv.router_policy_config {
        config.extend(shared_settings(path, &given.name("router_policy_config"))?);
    }
    Ok(Value::Object(config))
}

/// What `--load-aware` stands for.
fn go_by_load(kv: &mut KvRouterFlags) {
    kv.overlap_score_credit = 0.0;
    kv.use_kv_events = false;
    kv.router_track_active_blocks = true;
    kv.router_assume_kv_reuse = false;
    kv.router_track_prefill_tokens = true;
    kv.use_remote_indexer = false;
    kv.shared_cache_multiplier = Some(0.0);
    kv.shared_cache_type = "none".into();
    kv.router_predicted_ttl_secs = None;
}

/// When prompts are left to decode workers.
fn conditional(flags: &RouterFlags, given: &Given) -> Result<Map<String, Value>, UsageError> {
    let Some(mut config) = flags.router_conditional_disagg_config.clone() else {
        return Ok(Map::new());
    };
    let flag = given.name("router_conditional_disagg_config");
    if !flags.kv.conditional_disagg_enabled {
        return Err(UsageError::Needs { flag, missing: "--router-conditional-disagg" });
    }
    let by_load = [ConditionalPolicy::PrefillLoad, ConditionalPolicy::IslOrLoad];
    if config.policy.is_some_and(|policy| by_load.contains(&policy)) {
        let queued = flags.kv.router_queue_threshold.and_then(|limit| limit.0);
        config.prefill_busy_threshold = config.prefill_busy_threshold.or(queued);
        if config.prefill_busy_threshold.is_none() {
            let missing = "prefill_busy_threshold in it, or --router-queue-threshold";
            return Err(UsageError::Needs { flag: format!("{flag} with this policy"), missing });
        }
    }
    let members = serde_json::to_value(config).unwrap_or_default();
    let members = members.as_object().cloned().unwrap_or_default();
    Ok(members
        .into_iter()
        .map(|(name, value)| (format!("conditional_disagg_{name}"), value))
        .collect())
}

/// The section `router` of a policy file, which wins over flags.
fn shared_settings(path: &Path, flag: &str) -> Result<Map<String, Value>, UsageError> {
    let refused = |problem: String| UsageError::RouterPolicy {
        flag: flag.to_owned(),
        path: path.to_owned(),
        problem,
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let document: Value =
        serde_yaml::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let Value::Object(document) = document else {
        return Err(refused("it is no YAML mapping".into()));
    };
    let section = match document.get("router") {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(section)) => section.clone(),
        Some(_) => return Err(refused("its section router is no mapping".into())),
    };
    match section.keys().find(|name| !SHARED.contains(&name.as_str())) {
        None => Ok(section),
        Some(unknown) => Err(refused(format!("its section router has the unknown {unknown}"))),
    }
}
