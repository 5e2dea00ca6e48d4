//! What the operator can say about a decode worker, beside the engine's own flags.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::registration::RuntimeConfig;

/// Settings, by the names of Dynamo's flags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `--endpoint-types`: surfaces to serve, `chat` and `completions`, or `none` for a worker only
    /// other workers call.
    pub endpoint_types: Option<EndpointTypes>,
    /// `--use-sglang-tokenizer`.
    pub use_sglang_tokenizer: Option<bool>,
    /// `--frontend-decoding`.
    pub frontend_decoding: Option<bool>,
    /// `--enable-rl`.
    pub enable_rl: Option<bool>,
    /// `--dyn-tool-call-parser`.
    pub dyn_tool_call_parser: Option<String>,
    /// `--dyn-reasoning-parser`.
    pub dyn_reasoning_parser: Option<String>,
    /// `--dyn-default-thinking-mode`.
    pub dyn_default_thinking_mode: Option<String>,
    /// `--exclude-tools-when-tool-choice-none`.
    pub exclude_tools_when_tool_choice_none: Option<bool>,
    /// The optional members of `/generate` that the engine takes, for versions other than 0.5.23.
    pub engine_capabilities: Option<Vec<String>>,
}

/// Surfaces, as a list or as words with commas between them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum EndpointTypes {
    /// `"chat,completions"`.
    Words(String),
    /// `["chat", "completions"]`.
    List(Vec<String>),
}

impl Settings {
    /// Refuses what this plugin cannot do, before an engine is started in vain.
    pub(crate) fn check(&self) -> Result<()> {
        if self.use_sglang_tokenizer == Some(true) {
            return Err(Error::new(
                Kind::NotImplemented,
                "use_sglang_tokenizer: this plugin serves token ids; leave tokenizing to the \
                 frontend",
            ));
        }
        self.model_types().map(drop)
    }

    /// The surfaces to serve.
    pub(crate) fn model_types(&self) -> Result<Vec<String>> {
        let words: Vec<&str> = match &self.endpoint_types {
            None => vec!["chat", "completions"],
            Some(EndpointTypes::Words(words)) => words.split(',').map(str::trim).collect(),
            Some(EndpointTypes::List(words)) => words.iter().map(|word| word.trim()).collect(),
        };
        match words[..] {
            ["none"] => return Ok(Vec::new()),
            [_, ..] if words.iter().all(|word| ["chat", "completions"].contains(word)) => {}
            _ => {
                return Err(Error::invalid_request(format!(
                    "endpoint_types: {}: not a list of `chat` and `completions`, nor `none` alone",
                    words.join(",")
                )));
            }
        }
        Ok(words.into_iter().map(String::from).collect())
    }

    /// Writes what the frontend must know onto the model card.
    pub(crate) fn describe_on(&self, config: &mut RuntimeConfig) {
        config.tool_call_parser.clone_from(&self.dyn_tool_call_parser);
        config.reasoning_parser.clone_from(&self.dyn_reasoning_parser);
        config.exclude_tools_when_tool_choice_none = self.exclude_tools_when_tool_choice_none;
        if let Some(mode) = &self.dyn_default_thinking_mode {
            config.runtime_data.insert("default_thinking_mode".into(), mode.as_str().into());
        }
    }
}

/// JSON Schema of [`Settings`].
pub(crate) fn schema() -> Json {
    json!({
        "type": "object",
        "properties": {
            "endpoint_types": {
                "description": "Surfaces to serve: chat, completions, or none",
                "type": ["string", "array"],
                "default": "chat,completions",
            },
            "frontend_decoding": {
                "description": "The frontend fetches and decodes media",
                "type": "boolean",
                "default": false,
            },
            "enable_rl": {
                "description": "Clients may ask for uploads of metadata (not supported yet: such \
                                requests fail)",
                "type": "boolean",
                "default": false,
            },
            "dyn_tool_call_parser": {
                "description": "The frontend's parser of tool calls",
                "type": "string",
            },
            "dyn_reasoning_parser": {
                "description": "The frontend's parser of reasoning",
                "type": "string",
            },
            "dyn_default_thinking_mode": {
                "description": "Whether models think where the request does not say",
                "enum": ["enabled", "disabled"],
            },
            "exclude_tools_when_tool_choice_none": {
                "description": "Hide the tools from the model when tool_choice is none",
                "type": "boolean",
                "default": true,
            },
            "engine_capabilities": {
                "description": "Optional members of /generate the engine takes; by default those \
                                of SGLang 0.5.23",
                "type": "array",
                "items": {"enum": [
                    "cache_salt", "mm_hashes", "parent_session_id", "priority",
                    "require_reasoning", "return_routed_experts", "session_id",
                ]},
            },
        },
    })
}
