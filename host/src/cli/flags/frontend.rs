//! What the frontend is told about the worker, and does for it.
//!
//! Mirrors `runtime_args.py` and `backend_args.py` of Dynamo 1.6.1. All of these are settings the
//! plugin gets, by these names.

use clap::{ArgAction, Args};
use serde::Serialize;

use super::parsers;
use crate::cli::structural_tag::{self, StructuralTag};

/// What the frontend is told, and does, for this worker.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Frontend")]
pub struct FrontendFlags {
    /// The OpenAI endpoints to serve, of those the worker type has: chat, completions; or none, for
    /// a worker only other workers call.
    #[arg(
        long,
        visible_alias = "dyn-endpoint-types",
        env = "DYN_ENDPOINT_TYPES",
        value_name = "TYPES",
        default_value = "chat,completions"
    )]
    pub endpoint_types: String,

    /// Deprecated: have the engine tokenize. Use --dyn-chat-processor sglang on the frontend.
    #[arg(long, env = "DYN_SGL_USE_TOKENIZER")]
    pub use_sglang_tokenizer: bool,

    /// The parser of tool calls the frontend uses, such as hermes. Not together with the engine's
    /// --tool-call-parser.
    #[arg(
        long,
        env = "DYN_TOOL_CALL_PARSER",
        value_name = "PARSER",
        value_parser = parsers::tool_calls(),
        hide_possible_values = true
    )]
    pub dyn_tool_call_parser: Option<String>,

    /// The parser of reasoning the frontend uses, such as deepseek_r1.
    #[arg(
        long,
        env = "DYN_REASONING_PARSER",
        value_name = "PARSER",
        value_parser = parsers::reasoning(),
        hide_possible_values = true
    )]
    pub dyn_reasoning_parser: Option<String>,

    /// Whether models think where a request does not say.
    #[arg(
        long,
        env = "DYN_DEFAULT_THINKING_MODE",
        value_name = "MODE",
        value_parser = ["enabled", "disabled"]
    )]
    pub dyn_default_thinking_mode: Option<String>,

    /// Show the model the tools of a request even if its tool_choice is none.
    #[arg(
        long = "no-exclude-tools-when-tool-choice-none",
        env = "DYN_EXCLUDE_TOOLS_WHEN_TOOL_CHOICE_NONE",
        action = ArgAction::SetFalse
    )]
    pub exclude_tools_when_tool_choice_none: bool,

    /// Guide tool calls by their schemas: true, false, or a JSON object with scope (auto, always),
    /// schema (auto, strict) and others.
    #[arg(
        long,
        env = "DYN_STRUCTURAL_TAG",
        value_name = "JSON",
        value_parser = structural_tag::parse,
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    #[serde(skip)]
    pub dyn_structural_tag: Option<StructuralTag>,

    /// Deprecated: --dyn-structural-tag.
    #[arg(
        long,
        env = "DYN_ENABLE_STRUCTURAL_TAG",
        hide = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    #[serde(skip)]
    pub dyn_enable_structural_tag: Option<bool>,

    /// Deprecated: `scope` of --dyn-structural-tag.
    #[arg(long, env = "DYN_STRUCTURAL_TAG_SCOPE", hide = true, value_parser = ["auto", "always"])]
    #[serde(skip)]
    pub dyn_structural_tag_scope: Option<String>,

    /// Deprecated: `schema` of --dyn-structural-tag.
    #[arg(long, env = "DYN_STRUCTURAL_TAG_SCHEMA", hide = true, value_parser = ["auto", "strict"])]
    #[serde(skip)]
    pub dyn_structural_tag_schema: Option<String>,

    /// A chat template to use instead of the model's. `~` and variables in it are expanded.
    #[arg(long, env = "DYN_CUSTOM_JINJA_TEMPLATE", value_name = "FILE")]
    #[serde(skip)]
    pub custom_jinja_template: Option<String>,

    /// The endpoint that has this worker's KV cache events. Default: the one it serves.
    #[arg(long, env = "DYN_KV_STATE_ENDPOINT", value_name = "ENDPOINT")]
    pub kv_state_endpoint: Option<String>,

    /// Let clients have metadata uploaded.
    #[arg(long, env = "DYN_SGL_ENABLE_RL")]
    pub enable_rl: bool,

    /// An engine method to expose under /engine, as PATH[=METHOD][:engine|tm]. May be repeated; in
    /// the variable with spaces between them.
    #[arg(
        long = "engine-route",
        env = "DYN_SGLANG_ENGINE_ROUTES",
        value_name = "ROUTE",
        action = ArgAction::Append
    )]
    pub engine_routes: Vec<String>,
}
