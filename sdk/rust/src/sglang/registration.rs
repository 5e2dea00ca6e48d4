//! What the model card says about an SGLang engine: its `runtime_config`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::kv_events::{self, KvEvents};
pub use super::ranks::kv_cache_block_size;
use super::ranks::{self, Ranks};
use super::{Engine, ModelConfig, ServerInfo, hicache};
use crate::{Error, Result, warn};

/// Facts for routers and frontends. Mirrors Dynamo's `register.py`; what is none is left to Dynamo's
/// default.
#[derive(Clone, Debug, Serialize)]
pub struct RuntimeConfig {
    /// The operator's limit to a sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u32>,
    /// Size of the KV cache in blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_kv_blocks: Option<u64>,
    /// Requests each data-parallel rank runs at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_num_seqs: Option<u64>,
    /// Tokens of prompts in one batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_num_batched_tokens: Option<u64>,
    /// The first data-parallel rank.
    pub data_parallel_start_rank: u32,
    /// How many data-parallel ranks there are.
    pub data_parallel_size: u32,
    /// The frontend's parser of tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_parser: Option<String>,
    /// The frontend's parser of reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_parser: Option<String>,
    /// Whether `tool_choice: none` hides the tools from the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_tools_when_tool_choice_none: Option<bool>,
    /// How the frontend guides tool calls; none for no guidance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structural_tag: Option<Value>,
    /// How many LoRA adapters the engine holds at once, if it takes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gpu_lora_count: Option<u32>,
    /// The endpoint with the events of its KV cache, if not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_state_endpoint: Option<EndpointName>,
    /// Whether the engine announces what its KV cache holds.
    pub kv_event_publishing_enabled: bool,
    /// Where it does. For the host, which keeps it off the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_events: Option<KvEvents>,
    /// Whether routers may ask what the KV cache holds: not where prefill is another engine's work.
    pub enable_local_indexer: bool,
    /// Where decode engines find the engine, if it does their prefill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disaggregated_endpoint: Option<Endpoint>,
    /// Whether tokens are speculated on in EAGLE's way.
    pub enable_eagle: bool,
    /// What Dynamo has no member for.
    pub runtime_data: Map<String, Value>,
}

impl RuntimeConfig {
    /// What follows from the engine's report alone.
    pub fn new(server: &ServerInfo, model: &ModelConfig) -> Self {
        let ranks = Ranks::of(server);
        let mut runtime_data = Map::new();
        if let Some(limit) = server.context_length.or(model.context_length) {
            runtime_data.insert("token_budget".into(), token_budget(limit, server));
        }
        if let Some(steps) = server.speculative_num_steps.filter(|steps| *steps > 0) {
            let mut speculation = json!({"nextn": steps, "source": "backend_config"});
            if let Some(algorithm) = server.speculative_algorithm.as_deref() {
                speculation["method"] = algorithm.into();
            }
            runtime_data.insert("spec_decode".into(), speculation);
        }
        if let Some(capacity) = hicache::native_offloading_capacity(server) {
            runtime_data.insert("native_offloading_capacity".into(), capacity);
        }
        if let Some(store) = hicache::mooncake(server, model.is_mla) {
            runtime_data.insert("sglang_hicache_mooncake".into(), store);
        }
        if let Some(group) = worker_group(server) {
            runtime_data.insert("sglang_worker_group_id".into(), group.into());
        }
        RuntimeConfig {
            context_length: server.context_length,
            total_kv_blocks: ranks::total_kv_blocks(server),
            max_num_seqs: server.max_running_requests.map(|all| ranks.requests(all)),
            max_num_batched_tokens: ranks::max_num_batched_tokens(server),
            data_parallel_start_rank: 0,
            data_parallel_size: ranks.count,
            tool_call_parser: None,
            reasoning_parser: None,
            exclude_tools_when_tool_choice_none: None,
            structural_tag: None,
            max_gpu_lora_count: None,
            kv_state_endpoint: None,
            kv_event_publishing_enabled: kv_events::published(server),
            kv_events: None,
            enable_local_indexer: server.disaggregation_mode.as_deref() != Some("decode"),
            disaggregated_endpoint: None,
            enable_eagle: is_eagle(server),
            runtime_data,
        }
    }

    /// Has the host relay what the engine publishes of its KV cache and its load. From a configuration
    /// that does not say where, nothing is relayed, which is said: the worker serves without.
    pub fn relays_kv_events(&mut self, server: &ServerInfo, address: &str) {
        match KvEvents::of(server, address) {
            Ok(events) => self.kv_events = events,
            Err(error) => warn!("KV events are not relayed: {}", error.message()),
        }
    }

    /// Says that the worker takes requests in SGLang's own words ([`super::native`]).
    pub fn takes_native_requests(&mut self) {
        self.runtime_data.insert("sglang_generate".into(), true.into());
    }

    /// Says how many adapters can be loaded into the engine at once, if any can.
    pub fn takes_adapters(&mut self, server: &ServerInfo) {
        let loaded = server.lora_paths.as_ref().is_some_and(|paths| !paths.is_empty());
        if loaded || server.enable_lora == Some(true) {
            self.max_gpu_lora_count = server.max_loras_per_batch;
        }
    }

    /// Says, where it is so, that the engine itself can hold a structural tag back until the model
    /// has thought. Whether the parser's last token of thinking is one of the model's cannot be seen
    /// from outside the engine; Dynamo's worker looks at that, too.
    pub fn gates_structural_tags(&mut self, engine: &Engine) {
        if engine.reasoning_parser.is_some()
            && !engine.skip_tokenizer_init
            && engine.capabilities.require_reasoning
        {
            self.runtime_data.insert("tool_call_structural_tag_reasoning_gate".into(), true.into());
        }
    }

    /// Says that a request can be given up while its prompt is on the way between two engines: the
    /// engine is told, whatever state it is in.
    pub fn cancels_during_transfer(&mut self) {
        self.runtime_data.insert("disagg_prefill_cancel_anytime_v1".into(), true.into());
    }
}

/// By what the nodes of one engine know that they belong together (Dynamo's `register.py`).
fn worker_group(server: &ServerInfo) -> Option<String> {
    let nodes = server.nnodes.filter(|nodes| *nodes > 1);
    let address = server.dist_init_addr.as_deref().filter(|address| !address.is_empty());
    nodes.and(address).map(|address| match address.contains("://") {
        true => format!("dist_init:{address}"),
        false => format!("dist_init:tcp://{address}"),
    })
}

/// Whether tokens are speculated on in EAGLE's way, whose KV cache is of pairs of tokens.
pub(super) fn is_eagle(server: &ServerInfo) -> bool {
    let algorithm = server.speculative_algorithm.as_deref();
    algorithm.is_some_and(|name| name.to_ascii_uppercase().starts_with("EAGLE"))
}

/// An endpoint of Dynamo's, as cards name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointName {
    namespace: String,
    component: String,
    name: String,
}

impl EndpointName {
    /// Reads `namespace.component.endpoint`, with `dyn://` before it or without.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.strip_prefix("dyn://").unwrap_or(text).split('.').collect();
        match parts[..] {
            [namespace, component, name] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(EndpointName {
                    namespace: namespace.into(),
                    component: component.into(),
                    name: name.into(),
                })
            }
            _ => Err(Error::invalid_request(format!(
                "`{text}` is not dyn://namespace.component.endpoint"
            ))),
        }
    }
}

/// `disaggregated_endpoint` of a model card.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// The prefill engine's host, an IPv6 address in brackets.
    pub bootstrap_host: String,
    /// The port of its bootstrap server.
    pub bootstrap_port: u16,
}

/// What the frontend may refuse by itself: prompts, and prompts with their `max_tokens`, that do not
/// fit. The tokens SGLang reserves for itself are not in its report; for what they matter the engine
/// refuses.
fn token_budget(limit: u32, server: &ServerInfo) -> Value {
    let refuses = server.allow_auto_truncate != Some(true);
    json!({
        "combined_limit": limit,
        "reject_prompt_overflow": refuses,
        "reject_total_overflow": refuses,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn server(info: Value) -> ServerInfo {
        let known = json!({
            "page_size": 16, "context_length": 4096, "max_prefill_tokens": 8192,
            "max_total_num_tokens": 100_000,
        });
        let mut info = info;
        for (name, value) in known.as_object().unwrap() {
            info[name] = value.clone();
        }
        serde_json::from_value(info).unwrap()
    }

    fn config(info: Value) -> Value {
        let config = RuntimeConfig::new(&server(info), &ModelConfig::default());
        serde_json::to_value(config).unwrap()
    }

    #[test]
    fn a_plain_engine() {
        let config = config(json!({}));
        assert_eq!(config["total_kv_blocks"], 6250);
        assert_eq!(config["max_num_batched_tokens"], 8192);
        assert_eq!(config["context_length"], 4096);
        assert_eq!(
            config["runtime_data"]["token_budget"],
            json!({
                "combined_limit": 4096, "reject_prompt_overflow": true,
                "reject_total_overflow": true,
            })
        );
        assert!(config.get("max_num_seqs").is_none());
    }

    #[test]
    fn data_parallel_attention_splits_the_requests() {
        let info = json!({"attn_dp_size": 4, "dcp_size": 2, "max_running_requests": 64});
        assert_eq!(kv_cache_block_size(&server(info.clone())), 32);
        let config = config(info);
        assert_eq!(
            (&config["data_parallel_size"], &config["max_num_seqs"]),
            (&json!(4), &json!(16))
        );
    }

    #[test]
    fn kv_events() {
        for (info, published, asked) in [
            (json!({}), false, true),
            (json!({"kv_events_config": r#"{"publisher": "zmq"}"#}), true, true),
            (json!({"kv_events_config": r#"{"publisher": "null"}"#}), false, true),
            (json!({"kv_events_config": "{}"}), false, true),
            (json!({"kv_events_config": "zmq"}), false, true),
            (json!({"disaggregation_mode": "prefill"}), false, true),
            (json!({"disaggregation_mode": "decode"}), false, false),
        ] {
            let config = config(info);
            assert_eq!(config["kv_event_publishing_enabled"], published);
            assert_eq!(config["enable_local_indexer"], asked);
        }
    }

    #[test]
    fn structural_tags_wait_for_the_end_of_thinking() {
        for (info, gates) in [
            (json!({}), false),
            (json!({"reasoning_parser": "qwen3"}), true),
            (json!({"reasoning_parser": "qwen3", "skip_tokenizer_init": true}), false),
        ] {
            let (server, model) = (server(info), ModelConfig::default());
            let mut config = RuntimeConfig::new(&server, &model);
            config.gates_structural_tags(&Engine::new(&server, &model, Default::default()));
            let said = config.runtime_data.get("tool_call_structural_tag_reasoning_gate");
            assert_eq!(said, gates.then_some(&json!(true)));
        }
    }

    #[test]
    fn adapters_the_engine_holds() {
        for (info, held) in [
            (json!({"max_loras_per_batch": 8}), None),
            (json!({"max_loras_per_batch": 8, "enable_lora": true}), Some(8)),
            (json!({"max_loras_per_batch": 8, "lora_paths": []}), None),
            (json!({"max_loras_per_batch": 8, "lora_paths": [{"lora_name": "a"}]}), Some(8)),
        ] {
            let server = server(info);
            let mut config = RuntimeConfig::new(&server, &ModelConfig::default());
            config.takes_adapters(&server);
            assert_eq!(config.max_gpu_lora_count, held);
        }
    }

    #[test]
    fn endpoints_have_three_parts() {
        let name = json!({"namespace": "a", "component": "b", "name": "c"});
        for text in ["a.b.c", "dyn://a.b.c"] {
            assert_eq!(serde_json::to_value(EndpointName::parse(text).unwrap()).unwrap(), name);
        }
        for text in ["", "a.b", "a..c", "a.b.c.d"] {
            assert!(EndpointName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_of_one_engine() {
        let group = |nodes, address: &str| {
            let config = config(json!({"nnodes": nodes, "dist_init_addr": address}));
            config["runtime_data"]["sglang_worker_group_id"].clone()
        };
        assert_eq!(group(2, "10.0.0.7:5000"), "dist_init:tcp://10.0.0.7:5000");
        assert_eq!(group(2, "tcp://10.0.0.7:5000"), "dist_init:tcp://10.0.0.7:5000");
        assert_eq!(group(1, "10.0.0.7:5000"), Value::Null);
        assert_eq!(group(2, ""), Value::Null);
    }

    #[test]
    fn speculation() {
        let config = config(json!({"speculative_algorithm": "EAGLE", "speculative_num_steps": 3}));
        assert_eq!(config["enable_eagle"], true);
        assert_eq!(
            config["runtime_data"]["spec_decode"],
            json!({"nextn": 3, "source": "backend_config", "method": "EAGLE"})
        );
    }
}
