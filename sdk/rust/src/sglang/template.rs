//! The model's chat template: messages as one text.
//!
//! Templates are Jinja as Hugging Face's `apply_chat_template` renders it, with what Python's strings,
//! lists and dictionaries can do. The clock (`strftime_now`) is not there: templates that ask for it
//! look first whether it is.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, filters};
use serde_json::{Map, Serializer, ser::PrettyFormatter};

use super::errors::refused;
use super::python;
use crate::prelude::*;

/// The template's file, in newer models.
pub(super) const FILE: &str = "chat_template.jinja";

/// Tokens a template may name.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A chat template.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChatTemplate {
    source: String,
    special_tokens: Map<String, Json>,
}

impl ChatTemplate {
    /// The model's; none if it has none.
    pub(super) fn from_report(report: &EngineReport) -> Option<Self> {
        let tokenizer = report.file("tokenizer_config.json");
        let source = match (report.file(FILE), &tokenizer["chat_template"]) {
            (Json::String(source), _) => source,
            (_, Json::String(source)) => source.clone(),
            // Several, by name.
            (_, Json::Array(named)) => named
                .iter()
                .find(|template| template["name"] == "default")
                .and_then(|template| template["template"].as_str())?
                .to_owned(),
            _ => return None,
        };
        let special_tokens = SPECIAL_TOKENS
            .into_iter()
            .filter_map(|name| {
                let token = &tokenizer[name];
                let text = token.as_str().or_else(|| token["content"].as_str())?;
                Some((name.to_owned(), text.into()))
            })
            .collect();
        (!source.is_empty()).then_some(ChatTemplate { source, special_tokens })
    }

    /// Whether it has a place for what an assistant thought before it answered.
    pub(super) fn shows_reasoning(&self) -> bool {
        self.source.contains("reasoning_content")
    }

    /// The messages as the text the model goes on from. `extra` are the template's own variables.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], public, if the template does not take these messages.
    pub(super) fn render(&self, messages: &[Json], extra: Map<String, Json>) -> Result<String> {
        let mut context = Map::new();
        context.extend([("tools".into(), Json::Null), ("documents".into(), Json::Null)]);
        context.extend(self.special_tokens.clone());
        context.extend(extra);
        context.extend([
            ("messages".into(), messages.into()),
            ("add_generation_prompt".into(), true.into()),
        ]);
        // Hugging Face's marks around what an assistant said. They change nothing here.
        let source =
            self.source.replace("endgeneration", "endif").replace(" generation ", " if true ");
        let environment = environment()?;
        let template = environment
            .template_from_str(&source)
            .map_err(|error| Error::internal(format!("the model's chat template: {error}")))?;
        template
            .render(Serde(context))
            .map_err(|error| Error::invalid_request(format!("messages: {}", reason(&error))))
    }
}

/// What is said of messages without a template.
pub(super) fn missing() -> Error {
    refused("messages: the model has no chat template; give a prompt")
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(format);
    environment.add_function("raise_exception", raise_exception);
    environment.add_filter("tojson", to_json);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    Ok(environment)
}

/// Prints a value as Python does.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let word = match value.kind() {
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        ValueKind::None => "None",
        _ => return minijinja::escape_formatter(out, state, value),
    };
    Ok(out.write_str(word)?)
}

/// Jinja's `int`: 0 of what is no number, where minijinja's fails.
fn int(
    state: &State,
    value: &Value,
    default: Option<Value>,
    base: Option<u32>,
    options: Kwargs,
) -> Result<Value, minijinja::Error> {
    let default = default.or_else(|| (!options.has("default")).then(|| Value::from(0)));
    filters::int(state, value, default, base, options)
}

/// Jinja's `float`: 0.0 of what is no number, where minijinja's fails.
fn float(
    state: &State,
    value: &Value,
    default: Option<Value>,
    options: Kwargs,
) -> Result<Value, minijinja::Error> {
    let default = default.or_else(|| (!options.has("default")).then(|| Value::from(0.0)));
    filters::float(state, value, default, options)
}

/// How a template says that messages are not to its liking.
fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

/// What the template said, or else what is wrong with it.
fn reason(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.to_string(), str::to_owned)
}

/// `json.dumps(value, ensure_ascii=False, indent=..., sort_keys=...)`.
fn to_json(value: &Value, options: Kwargs) -> Result<Value, minijinja::Error> {
    let failed = |error: serde_json::Error| {
        minijinja::Error::new(ErrorKind::BadSerialization, error.to_string())
    };
    let indent: Option<usize> = options.get("indent")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let mut json = serde_json::to_value(value).map_err(failed)?;
    if sorted == Some(true) {
        json.sort_all_objects();
    }
    let text = match indent {
        Some(width) => {
            let (mut text, indent) = (Vec::new(), " ".repeat(width));
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            json.serialize(&mut Serializer::with_formatter(&mut text, formatter))
                .map_err(failed)?;
            String::from_utf8_lossy(&text).into_owned()
        }
        None if ascii == Some(true) => python::dumps(&json).map_err(failed)?,
        None => python::dumps_unicode(&json).map_err(failed)?,
    };
    Ok(Value::from_safe_string(text))
}

#[cfg(test)]
mod tests;
