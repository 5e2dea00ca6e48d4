//! What a plugin says of its engine's KV cache, beside the model card.

use dynamo_host_kv::Source;
use dynamo_host_plane::EndpointId;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The member of `runtime_config` that is for the host.
const MEMBER: &str = "kv_events";

/// Where a Mooncake store publishes what it holds.
const MOONCAKE_ENDPOINT: &str = "DYN_MOONCAKE_KV_EVENTS_ENDPOINT";

/// What is to be relayed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Facts {
    /// Tokens per block.
    pub block_size: u32,
    /// Tokens per page, in which the load is counted.
    pub page_size: u32,
    /// The ranks on this machine.
    pub sources: Vec<Source>,
    /// The path at which the engine's server reports its load, if no rank publishes it.
    #[serde(default)]
    pub loads: Option<String>,
    /// Where routers look for the events, if not at the worker's endpoint.
    #[serde(skip)]
    pub state_endpoint: Option<EndpointId>,
    /// Whether routers may ask what they missed.
    #[serde(skip)]
    pub answers: bool,
    /// Whose ranks they are, if not this worker's: those of the one that leads the engine.
    #[serde(skip)]
    pub worker_id: Option<u64>,
}

impl Facts {
    /// Takes them out of a card's `runtime_config`; none if the plugin says nothing.
    ///
    /// # Errors
    /// They are not what they should be: a defect of the plugin.
    pub fn take(
        runtime_config: &mut Map<String, Value>,
    ) -> Result<Option<Self>, serde_json::Error> {
        let Some(facts) = runtime_config.remove(MEMBER) else { return Ok(None) };
        let mut facts: Facts = serde_json::from_value(facts)?;
        facts.answers = runtime_config.get("enable_local_indexer") != Some(&Value::Bool(false));
        facts.state_endpoint = runtime_config.get("kv_state_endpoint").and_then(|endpoint| {
            let part = |name: &str| endpoint[name].as_str().map(str::to_owned);
            Some(EndpointId {
                namespace: part("namespace")?,
                component: part("component")?,
                endpoint: part("name")?,
            })
        });
        Ok(Some(facts))
    }
}

/// Adds to a card where its Mooncake store publishes, if it has one.
pub fn place_mooncake(runtime_config: &mut Map<String, Value>) {
    let store = runtime_config
        .get_mut("runtime_data")
        .and_then(|data| data.get_mut("sglang_hicache_mooncake"))
        .and_then(Value::as_object_mut);
    let endpoint = std::env::var(MOONCAKE_ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty());
    if let (Some(store), Some(endpoint)) = (store, endpoint) {
        store.insert("kv_events_endpoint".to_owned(), endpoint.into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hosts_part_leaves_the_card() {
        let mut config = json!({
            "kv_events": {
                "block_size": 16, "page_size": 16, "loads": "/v1/loads",
                "sources": [{"rank": 1, "endpoint": "tcp://127.0.0.1:5558"}],
            },
            "kv_state_endpoint": {"namespace": "a", "component": "b", "name": "c"},
            "enable_local_indexer": false,
        });
        let config = config.as_object_mut().unwrap();
        let facts = Facts::take(config).unwrap().unwrap();
        assert_eq!(facts.sources[0].endpoint.as_deref(), Some("tcp://127.0.0.1:5558"));
        assert_eq!(facts.state_endpoint.unwrap().to_string(), "dyn://a.b.c");
        assert!(!facts.answers);
        assert!(!config.contains_key("kv_events"));
        assert_eq!(Facts::take(config).unwrap(), None);
    }
}
