//! What each request needs to know of the engine: the small part of its report that is kept.

use serde::{Deserialize, Serialize};

use super::{ModelConfig, ServerInfo};

/// The engine as requests see it. Part of a worker's state, so it is read back for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Engine {
    /// What this version takes.
    pub capabilities: Capabilities,
    /// It has no tokenizer: neither grammars nor minimum lengths.
    pub skip_tokenizer_init: bool,
    /// It can hold a model to a thinking budget.
    pub strict_thinking: bool,
    /// How it tells thinking from answering.
    pub reasoning_parser: Option<String>,
    /// Its scheduler takes low numbers first, against Dynamo's sense of priority.
    pub low_priority_first: bool,
    /// It takes trace headers.
    pub trace: bool,
    /// It reports which experts worked on a token.
    pub routed_experts: bool,
    /// How many LoRA adapters it holds at once.
    pub max_loras: Option<u32>,
    /// Whether its model takes images, audio or video. None if nobody said.
    pub multimodal: Option<bool>,
    /// How many token ids its model has. None if nobody said.
    pub vocabulary: Option<u32>,
    /// The token that stands for an image.
    pub image_token: Option<u32>,
    /// The token that stands for a video.
    pub video_token: Option<u32>,
    /// The token that stands for a piece of audio.
    pub audio_token: Option<u32>,
}

impl Engine {
    /// The engine that reported `server` and `model`.
    pub fn new(server: &ServerInfo, model: &ModelConfig, capabilities: Capabilities) -> Self {
        let set = |flag: Option<bool>| flag.unwrap_or(false);
        Engine {
            capabilities,
            skip_tokenizer_init: set(server.skip_tokenizer_init),
            strict_thinking: set(server.enable_strict_thinking),
            reasoning_parser: server.reasoning_parser.clone().filter(|name| !name.is_empty()),
            low_priority_first: set(server.schedule_low_priority_values_first),
            trace: set(server.enable_trace),
            routed_experts: set(server.enable_return_routed_experts),
            max_loras: server.max_loras_per_batch,
            multimodal: model.is_multimodal,
            vocabulary: model.vocab_size,
            image_token: model.image_token_id,
            video_token: model.video_token_id,
            audio_token: model.audio_token_id,
        }
    }
}

/// Members of `/generate` that not every version of SGLang has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// `cache_salt`.
    pub cache_salt: bool,
    /// `disagg_prefill_dp_rank`.
    pub disagg_prefill_dp_rank: bool,
    /// `mm_hashes`.
    pub mm_hashes: bool,
    /// `parent_session_id`.
    pub parent_session_id: bool,
    /// `priority`.
    pub priority: bool,
    /// `require_reasoning`.
    pub require_reasoning: bool,
    /// `return_routed_experts`.
    pub return_routed_experts: bool,
    /// `session_id`.
    pub session_id: bool,
}

impl Default for Capabilities {
    /// Those of SGLang 0.5.23.
    fn default() -> Self {
        Capabilities {
            cache_salt: true,
            disagg_prefill_dp_rank: true,
            mm_hashes: true,
            parent_session_id: false,
            priority: true,
            require_reasoning: true,
            return_routed_experts: true,
            session_id: true,
        }
    }
}

impl Capabilities {
    /// What they are called: members of `/generate`.
    pub const NAMES: [&str; 8] = [
        "cache_salt",
        "disagg_prefill_dp_rank",
        "mm_hashes",
        "parent_session_id",
        "priority",
        "require_reasoning",
        "return_routed_experts",
        "session_id",
    ];

    /// Just those named. Names nobody asks about are passed over.
    pub fn from_names(names: &[String]) -> Self {
        let named = |name: &str| names.iter().any(|known| known == name);
        Capabilities {
            cache_salt: named("cache_salt"),
            disagg_prefill_dp_rank: named("disagg_prefill_dp_rank"),
            mm_hashes: named("mm_hashes"),
            parent_session_id: named("parent_session_id"),
            priority: named("priority"),
            require_reasoning: named("require_reasoning"),
            return_routed_experts: named("return_routed_experts"),
            session_id: named("session_id"),
        }
    }
}
