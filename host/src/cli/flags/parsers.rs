//! Names of the parsers Dynamo's frontend 1.6.1 has (`get_tool_parser_names` and
//! `get_reasoning_parser_names` of `dynamo._core`). A worker that names another registers well, and
//! then the frontend fails its requests: better said at the start.

use clap::builder::PossibleValuesParser;

/// `--dyn-tool-call-parser`.
const TOOL_CALLS: &str = "
    deepseek-v4 deepseek_v3 deepseek_v3_1 deepseek_v3_2 deepseek_v4 deepseek_v41 deepseekv4
    default gemma-4 gemma4 glm45 glm47 harmony hermes inkling jamba kimi-k3 kimi_k2 kimi_k25
    kimi_k3 llama3_json minimax-m3 minimax-m3-nom minimax_m2 minimax_m3 minimax_m3_nom mistral
    muse muse_glimmer nemotron_deci nemotron_nano phi4 pythonic qwen25 qwen3 qwen3_coder
";

/// `--dyn-reasoning-parser`.
const REASONING: &str = "
    basic deepseek-v4 deepseek_r1 deepseek_v3 deepseek_v3_1 deepseek_v3_2 deepseek_v4
    deepseek_v41 deepseekv4 gemma-4 gemma4 glm45 glm47 gpt_oss granite inkling kimi kimi-k3
    kimi_k2 kimi_k25 kimi_k3 minimax-m3 minimax_append_think minimax_m2 minimax_m3 mistral muse
    muse_glimmer nemotron3 nemotron_deci nemotron_nano nemotron_v3 qwen3 qwen3_coder step3
";

/// What `--dyn-tool-call-parser` takes.
pub(super) fn tool_calls() -> PossibleValuesParser {
    PossibleValuesParser::new(TOOL_CALLS.split_whitespace())
}

/// What `--dyn-reasoning-parser` takes.
pub(super) fn reasoning() -> PossibleValuesParser {
    PossibleValuesParser::new(REASONING.split_whitespace())
}
