//! What a running SGLang server reports about itself.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{EngineReport, Error, Kind, Result};

/// Where the server answers with all its arguments.
pub const SERVER_INFO: &str = "/server_info";

/// Where the server describes its model.
pub const MODEL_INFO: &str = "/model_info";

/// The members of `/server_info` a worker acts on. The server has hundreds; a version may lack any.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// `--skip-tokenizer-init`.
    pub skip_tokenizer_init: Option<bool>,
    /// `--incremental-streaming-output`.
    pub incremental_streaming_output: Option<bool>,
    /// `--enable-strict-thinking`.
    pub enable_strict_thinking: Option<bool>,
    /// `--reasoning-parser`.
    pub reasoning_parser: Option<String>,
    /// `--schedule-low-priority-values-first`.
    pub schedule_low_priority_values_first: Option<bool>,
    /// `--enable-trace`.
    pub enable_trace: Option<bool>,
    /// `--enable-return-routed-experts`.
    pub enable_return_routed_experts: Option<bool>,
    /// `--allow-auto-truncate`.
    pub allow_auto_truncate: Option<bool>,
    /// `null`, `prefill` or `decode`, as words.
    pub disaggregation_mode: Option<String>,
    /// Where the bootstrap server of a prefill engine listens, by default 8998.
    pub disaggregation_bootstrap_port: Option<u16>,
    /// Where the server listens.
    pub host: Option<String>,
    /// `--dist-init-addr`: where the nodes of one engine meet.
    pub dist_init_addr: Option<String>,
    /// `--nnodes`: how many there are.
    pub nnodes: Option<u32>,
    /// `--node-rank`: which of them this is.
    pub node_rank: Option<u32>,
    /// `--kv-events-config`: JSON that says how changes of the KV cache are published.
    pub kv_events_config: Option<String>,
    /// SGLang's own account of where they are.
    pub kv_events: Option<Value>,
    /// `--enable-forward-pass-metrics`.
    pub enable_forward_pass_metrics: Option<bool>,
    /// Where these are published, but for the rank behind it.
    pub forward_pass_metrics_ipc_name: Option<String>,
    /// `--enable-lora`.
    pub enable_lora: Option<bool>,
    /// `--lora-paths`: adapters the engine has from the start.
    pub lora_paths: Option<Vec<Value>>,
    /// `--max-loras-per-batch`.
    pub max_loras_per_batch: Option<u32>,
    /// `--dllm-algorithm`.
    pub dllm_algorithm: Option<String>,
    /// `--is-embedding`.
    pub is_embedding: Option<bool>,
    /// `--context-length`, if it was given.
    pub context_length: Option<u32>,
    /// Tokens per page of the KV cache.
    pub page_size: Option<u32>,
    /// Decode context parallelism.
    pub dcp_size: Option<u32>,
    /// Data parallelism.
    pub dp_size: Option<u32>,
    /// Data parallelism of the attention layers.
    pub attn_dp_size: Option<u32>,
    /// `--enable-dp-attention`.
    pub enable_dp_attention: Option<bool>,
    /// How an expert-parallel engine joins a running one.
    pub ep_join_mode: Option<String>,
    /// `--max-running-requests`.
    pub max_running_requests: Option<u64>,
    /// `--max-prefill-tokens`.
    pub max_prefill_tokens: Option<u64>,
    /// Tokens the KV cache of a scheduler holds.
    pub max_total_num_tokens: Option<u64>,
    /// Tensor parallelism.
    pub tp_size: Option<u32>,
    /// Pipeline parallelism.
    pub pp_size: Option<u32>,
    /// `--served-model-name`.
    pub served_model_name: Option<String>,
    /// `--enable-hierarchical-cache`: a KV cache in the machine's memory, too.
    pub enable_hierarchical_cache: Option<bool>,
    /// Its size by a ratio to that of the accelerator.
    pub hicache_ratio: Option<f64>,
    /// Its size in GB; 0 for the ratio.
    pub hicache_size: Option<u64>,
    /// Tokens it holds.
    pub hicache_host_total_tokens: Option<u64>,
    /// `write_back`, `write_through` or `write_through_selective`.
    pub hicache_write_policy: Option<String>,
    /// `--hicache-mem-layout`.
    pub hicache_mem_layout: Option<String>,
    /// Where blocks go from there, such as `mooncake`.
    pub hicache_storage_backend: Option<String>,
    /// How: JSON, or a file with it.
    pub hicache_storage_backend_extra_config: Option<Value>,
    /// `--speculative-algorithm`.
    pub speculative_algorithm: Option<String>,
    /// `--speculative-num-steps`.
    pub speculative_num_steps: Option<u32>,
}

impl ServerInfo {
    /// What the report says; empty if the server did not answer.
    ///
    /// # Errors
    /// [`Kind::BackendProtocol`](crate::Kind) if a member has another type than SGLang gives it.
    pub fn from_report(report: &EngineReport) -> Result<Self> {
        parse(report.answer(SERVER_INFO), SERVER_INFO)
    }
}

impl ServerInfo {
    /// Refuses engines that do something else than generate text token by token.
    ///
    /// # Errors
    /// [`Kind::NotImplemented`], naming the flag that says so.
    pub fn check_generates_text(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::new(Kind::NotImplemented, why));
        if let Some(algorithm) = self.dllm_algorithm.as_deref().filter(|name| !name.is_empty()) {
            return refuse(format!(
                "the engine runs a diffusion language model (--dllm-algorithm {algorithm}), which \
                 this worker type does not serve"
            ));
        }
        self.check_generates()
    }

    /// Refuses engines that generate nothing.
    ///
    /// # Errors
    /// [`Kind::NotImplemented`], naming the flag that says so.
    pub fn check_generates(&self) -> Result<()> {
        if self.is_embedding == Some(true) {
            return Err(Error::new(
                Kind::NotImplemented,
                "the engine computes embeddings (--is-embedding); this worker type generates text",
            ));
        }
        Ok(())
    }

    /// Refuses engines that repeat the whole answer in every chunk, which for us are all new tokens.
    ///
    /// # Errors
    /// [`Kind::NotImplemented`], naming the flag that is missing.
    pub fn check_sends_increments(&self) -> Result<()> {
        if self.incremental_streaming_output == Some(false) {
            return Err(Error::new(
                Kind::NotImplemented,
                "the engine repeats the whole answer in every chunk; start it with \
                 --incremental-streaming-output",
            ));
        }
        Ok(())
    }
}

/// What is known of the model: SGLang's own word for its abilities, its files for the rest.
#[derive(Clone, Debug, Default)]
pub struct ModelConfig {
    /// Whether it takes images, audio or video. None if nobody said.
    pub is_multimodal: Option<bool>,
    /// How many token ids there are.
    pub vocab_size: Option<u32>,
    /// The longest sequence it was made for.
    pub context_length: Option<u32>,
    /// Whether its attention keeps latent vectors instead of keys and values (MLA).
    pub is_mla: bool,
    /// Stands for an image in a prompt.
    pub image_token_id: Option<u32>,
    /// Stands for a video in a prompt.
    pub video_token_id: Option<u32>,
    /// Stands for a piece of audio in a prompt.
    pub audio_token_id: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelInfo {
    is_multimodal: Option<bool>,
    has_image_understanding: Option<bool>,
    has_audio_understanding: Option<bool>,
}

impl ModelConfig {
    /// What `/model_info` and the model's `config.json` say.
    ///
    /// # Errors
    /// [`Kind::BackendProtocol`](crate::Kind) if a member of the answer has another type than
    /// SGLang gives it.
    pub fn from_report(report: &EngineReport) -> Result<Self> {
        let info: ModelInfo = parse(report.answer(MODEL_INFO), MODEL_INFO)?;
        let config = report.file("config.json");
        // In a model of several kinds of input the language part has a configuration of its own,
        // which is the one SGLang goes by.
        let of_text =
            |name: &str| number(&config["text_config"][name]).or_else(|| number(&config[name]));
        let token = |id: &str, index: &str| number(&config[id]).or_else(|| number(&config[index]));
        let understands = info
            .has_image_understanding
            .into_iter()
            .chain(info.has_audio_understanding)
            .reduce(|image, audio| image || audio);
        let has_senses =
            ["vision_config", "audio_config"].iter().any(|name| config[name].is_object());
        Ok(ModelConfig {
            is_multimodal: info.is_multimodal.or(understands).or(has_senses.then_some(true)),
            vocab_size: of_text("vocab_size"),
            context_length: of_text("max_position_embeddings"),
            // As DeepSeek's models, the first with it, call the width of these vectors.
            is_mla: of_text("kv_lora_rank").is_some(),
            image_token_id: token("image_token_id", "image_token_index"),
            video_token_id: token("video_token_id", "video_token_index"),
            audio_token_id: token("audio_token_id", "audio_token_index"),
        })
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn parse<T: DeserializeOwned + Default>(answer: Value, path: &str) -> Result<T> {
    if answer.is_null() {
        return Ok(T::default());
    }
    serde_path_to_error::deserialize(answer).map_err(|error| {
        Error::backend_protocol(format!("{path}: {}: {}", error.path(), error.inner()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn report(info: &Value, config: &Value) -> EngineReport {
        EngineReport {
            files: vec![("config.json".into(), config.to_string().into_bytes())],
            ..crate::testing::engine_report(MODEL_INFO, info)
        }
    }

    fn multimodal(info: Value, config: Value) -> Option<bool> {
        ModelConfig::from_report(&report(&info, &config)).unwrap().is_multimodal
    }

    #[test]
    fn the_engine_knows_its_model_best() {
        let senses = json!({"vision_config": {}});
        let blind = json!({"has_image_understanding": false, "has_audio_understanding": false});
        assert_eq!(multimodal(blind, senses.clone()), Some(false));
        assert_eq!(multimodal(json!({"has_audio_understanding": true}), json!({})), Some(true));
        assert_eq!(multimodal(json!({}), senses), Some(true));
        assert_eq!(multimodal(json!({}), json!({})), None);
    }

    #[test]
    fn the_language_part_counts() {
        let config = json!({
            "vocab_size": 5, "text_config": {"vocab_size": 9}, "image_token_index": 7,
        });
        let model = ModelConfig::from_report(&report(&json!({}), &config)).unwrap();
        assert_eq!((model.vocab_size, model.image_token_id), (Some(9), Some(7)));
    }

    #[test]
    fn a_strange_answer_is_named() {
        let strange = crate::testing::engine_report(SERVER_INFO, &json!({"page_size": "big"}));
        let error = ServerInfo::from_report(&strange).unwrap_err();
        assert!(format!("{error:?}").contains("/server_info: page_size"), "{error:?}");
    }
}
