//! What an engine keeps of its KV cache outside the accelerator, for the model card.
//!
//! Mirrors `_get_mooncake_runtime_data` of Dynamo 1.6.1's `register.py` and
//! `get_hicache_native_offloading_capacity` of its `capacity.py`.

use serde_json::{Map, Value, json};

use super::ServerInfo;
use super::ranks;

/// Tokens in the machine's memory that are not also on the accelerator, which routers count already.
/// None where SGLang does not say how much it has.
pub fn native_offloading_capacity(server: &ServerInfo) -> Option<Value> {
    let device = ranks::total_tokens(server)?;
    let policy = server.hicache_write_policy.as_deref();
    let host = match server.hicache_host_total_tokens {
        Some(tokens) => tokens,
        None => estimated(server, device)?,
    };
    let tokens = match policy {
        Some("write_back") => host,
        Some("write_through") => host.checked_sub(device)?,
        _ => return None,
    };
    (tokens > 0).then(|| json!({"total_tokens": tokens}))
}

/// By SGLang's own arithmetic for a pool whose size is a ratio.
fn estimated(server: &ServerInfo, device: u64) -> Option<u64> {
    let by_ratio = server.enable_hierarchical_cache == Some(true)
        && server.hicache_size == Some(0)
        && server.dcp_size.unwrap_or(1) <= 1;
    let ratio = server.hicache_ratio.filter(|ratio| by_ratio && ratio.is_finite())?;
    let page = u64::from(server.page_size.filter(|size| *size > 0)?);
    let host = (device as f64 * ratio) as u64;
    Some((host / page + 1).saturating_mul(page))
}

/// How a Mooncake store names what the engine puts there, so that routers can count it. Where the
/// store publishes what it holds is for the host to add (`DYN_MOONCAKE_KV_EVENTS_ENDPOINT`).
pub fn mooncake(server: &ServerInfo, is_mla: bool) -> Option<Value> {
    if server.hicache_storage_backend.as_deref() != Some("mooncake") {
        return None;
    }
    let extra = extra_config(server);
    let tp = u64::from(server.tp_size.unwrap_or(1).max(1));
    let tp_lcm = match &extra["tp_lcm_size"] {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64(),
    };
    let split = !is_mla
        && server.hicache_mem_layout.as_deref() == Some("page_head")
        && tp_lcm.is_some_and(|lcm| lcm > tp && lcm % tp == 0);
    let tag = extra["extra_backend_tag"].as_str().filter(|tag| !tag.is_empty());
    Some(json!({
        "backend": "mooncake",
        "page_size": ranks::page_size(server),
        "tp_size": tp,
        "pp_size": server.pp_size.unwrap_or(1).max(1),
        "is_mla_model": is_mla,
        "is_eagle": super::registration::is_eagle(server),
        "tp_lcm_size": tp_lcm,
        "should_split_heads": split,
        "extra_backend_tag": tag,
        "key_prefix": key_prefix(&extra, server.served_model_name.as_deref()),
        "kv_events_endpoint": null,
    }))
}

/// `--hicache-storage-backend-extra-config`: JSON, here or (`@file`) in a file the host does not see.
fn extra_config(server: &ServerInfo) -> Value {
    let given = match &server.hicache_storage_backend_extra_config {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(value) => value.clone(),
        None => Value::Null,
    };
    if given.is_object() { given } else { Value::Object(Map::new()) }
}

/// What SGLang's `MooncakeStore` puts before every key.
fn key_prefix(extra: &Value, served: Option<&str>) -> Option<String> {
    let tag = match &extra["extra_backend_tag"] {
        Value::Null => None,
        Value::String(tag) => Some(tag.clone()),
        other => Some(other.to_string()),
    };
    let name = served.filter(|name| !name.is_empty()).map(|name| name.replace('/', "-"));
    let parts: Vec<String> = tag.into_iter().chain(name).collect();
    (!parts.is_empty()).then(|| parts.join("_"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn server(info: Value) -> ServerInfo {
        serde_json::from_value(info).unwrap()
    }

    fn capacity(more: Value) -> Option<u64> {
        let mut info = json!({
            "max_total_num_tokens": 1000, "page_size": 16, "enable_hierarchical_cache": true,
            "hicache_size": 0, "hicache_ratio": 2.0, "hicache_write_policy": "write_back",
        });
        info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        native_offloading_capacity(&server(info))?["total_tokens"].as_u64()
    }

    #[test]
    fn the_host_pool_counts_without_its_mirror_of_the_device() {
        assert_eq!(capacity(json!({})), Some(2016));
        assert_eq!(capacity(json!({"hicache_write_policy": "write_through"})), Some(1016));
        assert_eq!(capacity(json!({"hicache_write_policy": "write_through_selective"})), None);
        assert_eq!(capacity(json!({"hicache_host_total_tokens": 5000})), Some(5000));
        assert_eq!(capacity(json!({"hicache_size": 10})), None);
        assert_eq!(capacity(json!({"enable_hierarchical_cache": false})), None);
        assert_eq!(capacity(json!({"dcp_size": 2})), None);
        assert_eq!(capacity(json!({"max_total_num_tokens": 0})), None);
    }

    #[test]
    fn a_mooncake_store_and_its_keys() {
        assert_eq!(mooncake(&server(json!({"hicache_storage_backend": "file"})), false), None);
        let info = json!({
            "hicache_storage_backend": "mooncake", "page_size": 64, "tp_size": 2,
            "hicache_mem_layout": "page_head", "served_model_name": "org/model",
            "hicache_storage_backend_extra_config":
                r#"{"tp_lcm_size": 4, "extra_backend_tag": "blue"}"#,
        });
        assert_eq!(
            mooncake(&server(info), false).unwrap(),
            json!({
                "backend": "mooncake", "page_size": 64, "tp_size": 2, "pp_size": 1,
                "is_mla_model": false, "is_eagle": false, "tp_lcm_size": 4,
                "should_split_heads": true, "extra_backend_tag": "blue",
                "key_prefix": "blue_org-model", "kv_events_endpoint": null,
            })
        );
    }
}
