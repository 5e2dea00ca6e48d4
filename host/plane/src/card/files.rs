//! The model's files in a card: where they are and what they hash to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{CardError, CardFacts};

/// Adds the files under the model's directory to a card for token input. With `tokenized`, the
/// frontend cannot do without configuration and tokenizer. Returns the longest context the model
/// was made for, if its configuration tells.
pub(super) fn add(
    card: &mut Map<String, Value>,
    facts: &CardFacts,
    tokenized: bool,
) -> Result<Option<u32>, CardError> {
    let Some(dir) = &facts.model_dir else {
        return if tokenized { Err(CardError::NoModelDir) } else { Ok(None) };
    };
    let file = |name: &str| checked(&dir.join(name));

    let config = file("config.json")?;
    if config.is_none() && tokenized {
        return Err(missing(dir, "config.json", "it to know the model's special tokens"));
    }
    let tokenizer = match file("tokenizer.json")? {
        Some(file) => Some(json!({"hf_tokenizer_json": file})),
        None => file("tiktoken.model")?.map(|file| json!({"tik_token_model": file})),
    };
    if tokenizer.is_none() && tokenized {
        return Err(missing(dir, "tokenizer.json", "it to turn text into tokens"));
    }
    let template = match &facts.chat_template {
        Some(path) => {
            let file = checked(path)?.ok_or_else(|| CardError::MissingFile {
                path: path.clone(),
                what: "the chat template that was asked for",
            })?;
            Some(json!({"hf_chat_template_jinja": {"is_custom": true, "file": file}}))
        }
        // Since Transformers 4.52 models are saved with the template in a file of its own, and not
        // in tokenizer_config.json. Dynamo prefers that file in the same way.
        None => match file("chat_template.jinja")? {
            Some(file) => {
                Some(json!({"hf_chat_template_jinja": {"is_custom": false, "file": file}}))
            }
            None => file("chat_template.json")?
                .map(|file| json!({"hf_chat_template_json": {"is_custom": false, "file": file}})),
        },
    };
    let mut put = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            card.insert(member.to_owned(), value);
        }
    };
    put("model_info", config.map(|file| json!({"hf_config_json": file})));
    put("tokenizer", tokenizer);
    put(
        "prompt_formatter",
        file("tokenizer_config.json")?.map(|file| json!({"hf_tokenizer_config_json": file})),
    );
    put("chat_template_file", template);
    put(
        "gen_config",
        file("generation_config.json")?.map(|file| json!({"hf_generation_config_json": file})),
    );
    let limit = longest_context(dir);
    put("architectural_max_context_length", limit.map(Value::from));
    Ok(limit)
}

/// Dynamo's `CheckedFile`: the absolute path, and the hash by which a frontend makes sure that it
/// reads the same file. None if there is no such file.
fn checked(path: &Path) -> Result<Option<Value>, CardError> {
    let failed = |source| CardError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(failed)?;
    // Not canonical: in a Hugging Face cache that would be a blob without the file's name.
    let path = std::path::absolute(path).map_err(failed)?;
    Ok(Some(json!({
        "path": path.to_string_lossy(),
        "checksum": format!("blake3:{}", hasher.finalize().to_hex()),
        "size": size,
    })))
}

/// The sources in Dynamo's order: the configuration, its text part for multimodal models, and the
/// tokenizer's limit, which many models set to a number without meaning.
fn longest_context(dir: &Path) -> Option<u32> {
    let config = read(&dir.join("config.json")).unwrap_or_default();
    let limit = |value: &Value| value.as_u64().and_then(|limit| u32::try_from(limit).ok());
    [&config["max_position_embeddings"], &config["text_config"]["max_position_embeddings"]]
        .into_iter()
        .find_map(limit)
        .or_else(|| limit(&read(&dir.join("tokenizer_config.json"))?["model_max_length"]))
        .filter(|limit| *limit > 0)
}

/// None also for files that are not strict JSON: some models write `Infinity`, which Dynamo's
/// reader accepts, and a card does without the limit.
fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn missing(dir: &Path, name: &str, what: &'static str) -> CardError {
    CardError::MissingFile { path: PathBuf::from(dir).join(name), what }
}
