//! What the operator can say about a worker that generates text, beside the engine's own flags.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Capabilities;
use super::registration::{EndpointName, RuntimeConfig};
use crate::{Error, Input, Result};

/// Settings, by the names of Dynamo's flags. Not every worker type heeds all of them:
/// [`schema`] is told which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The namespace the worker is in, with the others of its deployment.
    pub namespace: Option<String>,
    /// `--endpoint-types`: surfaces to serve, `chat` and `completions`, or `none` for a worker only
    /// other workers call.
    pub endpoint_types: Option<Words>,
    /// `--use-sglang-tokenizer`.
    pub use_sglang_tokenizer: Option<bool>,
    /// `--frontend-decoding`.
    pub frontend_decoding: Option<bool>,
    /// `--enable-multimodal`.
    pub enable_multimodal: Option<bool>,
    /// `--kv-state-endpoint`.
    pub kv_state_endpoint: Option<String>,
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
    /// `--engine-route`: methods of the engine's to expose under `/engine/`.
    pub engine_routes: Option<Words>,
    /// What came of `--dyn-structural-tag`: an object; none if tool calls are not guided.
    pub structural_tag: Option<Value>,
    /// The optional members of `/generate` that the engine takes, for versions other than 0.5.23.
    pub engine_capabilities: Option<Vec<String>>,
}

/// Words of an operator's, as a list or with separators between them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Words {
    /// `"chat,completions"`.
    Text(String),
    /// `["chat", "completions"]`.
    List(Vec<String>),
}

impl Settings {
    /// Whether the engine tokenizes and detokenizes (`--use-sglang-tokenizer`).
    pub fn is_text(&self) -> bool {
        self.use_sglang_tokenizer == Some(true)
    }

    /// Refuses `--use-sglang-tokenizer`, for workers that take token ids only.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind), if it is set.
    pub fn check_takes_tokens(&self) -> Result<()> {
        if self.is_text() {
            return Err(Error::invalid_request(
                "use_sglang_tokenizer: this worker type takes token ids only; leave tokenizing to \
                 the frontend",
            ));
        }
        Ok(())
    }

    /// The surfaces to serve, and what requests for them hold. Text is served for chat alone.
    ///
    /// # Errors
    /// Those of [`model_types`](Settings::model_types).
    pub fn surfaces(&self) -> Result<(Vec<String>, Input)> {
        if self.is_text() {
            return Ok((vec!["chat".into()], Input::Text));
        }
        Ok((self.model_types()?, Input::Tokens))
    }

    /// The surfaces to serve with tokens.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) for words that are no surfaces.
    pub fn model_types(&self) -> Result<Vec<String>> {
        let words: Vec<&str> = match &self.endpoint_types {
            None => vec!["chat", "completions"],
            Some(Words::Text(words)) => words.split(',').map(str::trim).collect(),
            Some(Words::List(words)) => words.iter().map(|word| word.trim()).collect(),
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

    /// The optional members of `/generate` that the engine takes.
    pub fn capabilities(&self) -> Capabilities {
        self.engine_capabilities
            .as_deref()
            .map_or_else(Capabilities::default, Capabilities::from_names)
    }

    /// Writes what the frontend must know onto the model card.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) for a setting that is none.
    pub fn describe_on(&self, config: &mut RuntimeConfig) -> Result<()> {
        if let Some(endpoint) = &self.kv_state_endpoint {
            config.kv_state_endpoint = Some(EndpointName::parse(endpoint)?);
        }
        config.tool_call_parser.clone_from(&self.dyn_tool_call_parser);
        config.reasoning_parser.clone_from(&self.dyn_reasoning_parser);
        config.structural_tag.clone_from(&self.structural_tag);
        config.exclude_tools_when_tool_choice_none = self.exclude_tools_when_tool_choice_none;
        if let Some(mode) = &self.dyn_default_thinking_mode {
            config.runtime_data.insert("default_thinking_mode".into(), mode.as_str().into());
        }
        Ok(())
    }
}

/// JSON Schema of those members of [`Settings`] a worker type heeds.
pub fn schema(heeded: &[&str]) -> Value {
    let flag = |description: &str, default: bool| json!({"description": description, "type": "boolean", "default": default});
    let text = |description: &str| json!({"description": description, "type": "string"});
    let Value::Object(mut properties) = json!({
        "endpoint_types": {
            "description": "Surfaces to serve: chat, completions, or none",
            "type": ["string", "array"],
            "default": "chat,completions",
        },
        "use_sglang_tokenizer": flag(
            "Deprecated: the engine tokenizes, and only chat is served",
            false,
        ),
        "frontend_decoding": flag("The frontend fetches and decodes media", false),
        "kv_state_endpoint": text("The endpoint with the engine's KV events, if not the worker's own"),
        "enable_rl": flag(
            "Clients may ask for uploads of metadata (not supported yet: such requests fail)",
            false,
        ),
        "engine_routes": {
            "description": "Methods of the engine's server to expose under /engine/, as \
                            PATH[=METHOD][:engine|tm]",
            "type": ["string", "array"],
        },
        "dyn_tool_call_parser": text("The frontend's parser of tool calls"),
        "dyn_reasoning_parser": text("The frontend's parser of reasoning"),
        "dyn_default_thinking_mode": {
            "description": "Whether models think where the request does not say",
            "enum": ["enabled", "disabled"],
        },
        "exclude_tools_when_tool_choice_none": flag(
            "Hide the tools from the model when tool_choice is none",
            true,
        ),
        "engine_capabilities": {
            "description": "Optional members of /generate the engine takes; by default those of \
                            SGLang 0.5.23",
            "type": "array",
            "items": {"enum": Capabilities::NAMES},
        },
    }) else {
        return Value::Object(Map::new());
    };
    properties.retain(|name, _| heeded.contains(&name.as_str()));
    json!({"type": "object", "properties": properties})
}
