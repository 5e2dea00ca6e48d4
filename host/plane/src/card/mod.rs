//! The model card: the record that tells frontends what a worker serves and where the files are
//! that turn a client's messages into tokens and back.
//!
//! A card is plain JSON, Dynamo's `ModelDeploymentCard` written from facts, so that this crate
//! does not need `dynamo-llm`. Members left out take Dynamo's defaults.

mod adapter;
mod files;

pub use adapter::AdapterFacts;

use std::path::PathBuf;
use std::str::FromStr;

use dynamo_runtime::slug::Slug;
use serde_json::{Map, Value, json};

/// The surfaces of Dynamo's `ModelType`, in the order of its bits.
const MODEL_TYPES: [&str; 12] = [
    "Chat",
    "Completions",
    "Embedding",
    "TensorBased",
    "Prefill",
    "Images",
    "Audios",
    "Videos",
    "Realtime",
    "Classify",
    "Pooling",
    "Rerank",
];

/// Those for which the frontend itself turns text into tokens.
const TOKENIZED: [&str; 3] = ["Chat", "Completions", "Embedding"];

/// The parts a deployment is made of.
const WORKER_TYPES: [&str; 4] = ["aggregated", "prefill", "decode", "encode"];

/// What a worker wants to be handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModelInput {
    /// Token ids: the frontend applies the chat template and tokenizes, and turns the worker's
    /// token ids back into text. Needs the model's tokenizer files.
    #[default]
    Tokens,
    /// The client's OpenAI request as it is; the worker answers in OpenAI's chunks.
    Text,
    /// KServe tensors.
    Tensor,
}

impl ModelInput {
    const fn name(self) -> &'static str {
        match self {
            ModelInput::Tokens => "Tokens",
            ModelInput::Text => "Text",
            ModelInput::Tensor => "Tensor",
        }
    }
}

impl FromStr for ModelInput {
    type Err = CardError;

    fn from_str(name: &str) -> Result<Self, CardError> {
        [ModelInput::Tokens, ModelInput::Text, ModelInput::Tensor]
            .into_iter()
            .find(|input| input.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| CardError::Unknown {
                what: "model input",
                value: name.to_owned(),
                valid: "tokens, text, tensor".to_owned(),
            })
    }
}

/// What a card is made of.
#[derive(Clone, Debug, Default)]
pub struct CardFacts {
    /// The name clients ask for.
    pub display_name: String,
    /// Where the model came from: a path or a hub name.
    pub source_path: Option<String>,
    /// The directory with the model's Hugging Face files. Needed for token input.
    pub model_dir: Option<PathBuf>,
    /// A chat template (Jinja) that replaces the model's own.
    pub chat_template: Option<PathBuf>,
    /// The surfaces served, in Dynamo's words, in any case: `chat`, `completions`, `embedding`,
    /// `images`, `videos`, `rerank`, `prefill`, ... None for a worker only other workers call.
    pub model_types: Vec<String>,
    /// What requests carry.
    pub model_input: ModelInput,
    /// `aggregated`, `prefill`, `decode` or `encode`.
    pub worker_type: String,
    /// Worker types that must be alive in the namespace before the model is listed: all of one of
    /// the inner lists.
    pub needs: Vec<Vec<String>>,
    /// Tokens in a block of the engine's KV cache, the unit of KV events; 0 without one.
    pub kv_cache_block_size: u32,
    /// The most tokens a request may have, prompt and answer together. Without it, what the
    /// model's configuration says.
    pub context_length: Option<u32>,
    /// Members of Dynamo's `ModelRuntimeConfig`: `total_kv_blocks`, `max_num_seqs`,
    /// `max_num_batched_tokens`, `reasoning_parser`, `tool_call_parser`, ...
    pub runtime_config: Map<String, Value>,
    /// How frontends route to workers of the model, a `RouterConfig` of Dynamo's; without it, by their
    /// own flags.
    pub router_config: Option<Value>,
    /// More names clients may ask for.
    pub aliases: Vec<String>,
}

/// Why there is no card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// A word Dynamo does not know.
    #[error("unknown {what} '{value}': use one of {valid}")]
    Unknown {
        /// What was being named.
        what: &'static str,
        /// The word given.
        value: String,
        /// The words there are.
        valid: String,
    },
    /// A card without a name is refused by frontends.
    #[error("the served model name is empty: give one with --served-model-name")]
    NoName,
    /// Token input, but no directory.
    #[error(
        "a model that takes tokens needs the directory of its tokenizer files: give --model-path"
    )]
    NoModelDir,
    /// Token input, but no such file.
    #[error("{path} is missing: the frontend needs {what}")]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// What it is needed for.
        what: &'static str,
    },
    /// A file that is there cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl CardFacts {
    /// The card as JSON. Reads and hashes the model's files (a tokenizer is some 10 MB): call it
    /// where blocking is allowed.
    ///
    /// # Errors
    ///
    /// A word Dynamo does not know, or a file the frontend will need and cannot have.
    pub fn build(&self) -> Result<Value, CardError> {
        if self.display_name.is_empty() {
            return Err(CardError::NoName);
        }
        let surfaces = surfaces(&self.model_types)?;
        known("worker type", &self.worker_type, &WORKER_TYPES)?;
        for worker_type in self.needs.iter().flatten() {
            known("worker type", worker_type, &WORKER_TYPES)?;
        }
        let mut card = json!({
            "display_name": self.display_name,
            "slug": Slug::slugify(&self.display_name).to_string(),
            // Dynamo's reader insists on these two, if only as null.
            "model_info": null,
            "tokenizer": null,
            "kv_cache_block_size": self.kv_cache_block_size,
            // Frontends go by their own --migration-limit.
            "migration_limit": 0,
            "model_type": surfaces.join(" | "),
            "model_input": self.model_input.name(),
            "worker_type": self.worker_type,
            "needs": self.needs,
        });
        let mut context_length = self.context_length;
        if let Value::Object(card) = &mut card {
            // For other inputs the frontend does not touch the model, and a path it cannot open
            // would only make it refuse the worker.
            if self.model_input == ModelInput::Tokens {
                let tokenized = surfaces.iter().any(|surface| TOKENIZED.contains(surface));
                let limit = files::add(card, self, tokenized)?;
                context_length = context_length.or(limit);
            }
            if let Some(source) = &self.source_path {
                card.insert("source_path".to_owned(), json!(source));
            }
            if let Some(length) = context_length {
                card.insert("context_length".to_owned(), json!(length));
            }
            if let Some(router) = &self.router_config {
                card.insert("router_config".to_owned(), router.clone());
            }
            if !self.aliases.is_empty() {
                card.insert("aliases".to_owned(), json!(self.aliases));
            }
            let runtime = self.runtime_config(context_length);
            card.insert("runtime_config".to_owned(), Value::Object(runtime));
        }
        Ok(card)
    }

    fn runtime_config(&self, context_length: Option<u32>) -> Map<String, Value> {
        let mut runtime = self.runtime_config.clone();
        if let Some(length) = context_length {
            runtime.entry("context_length").or_insert(json!(length));
        }
        // Dynamo's default, true, makes KV routers ask the worker for events they missed. A worker
        // that keeps them says so itself.
        runtime.entry("enable_local_indexer").or_insert(json!(false));
        runtime
    }
}

/// The words as Dynamo writes them, in the order in which its bit flags are printed.
fn surfaces(words: &[String]) -> Result<Vec<&'static str>, CardError> {
    for word in words {
        known("model type", word, &MODEL_TYPES)?;
    }
    let asked = |name: &&str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    Ok(MODEL_TYPES.into_iter().filter(asked).collect())
}

fn known(what: &'static str, value: &str, valid: &[&str]) -> Result<(), CardError> {
    if valid.iter().any(|name| name.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(CardError::Unknown {
        what,
        value: value.to_owned(),
        valid: valid.join(", ").to_lowercase(),
    })
}

#[cfg(test)]
mod tests;
