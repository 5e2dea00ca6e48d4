//! Chat by a llama.cpp server, with what must not leave taken out.

use std::collections::BTreeMap;

use dynamo_worker_sdk::prelude::*;
use regex_lite::Regex;

const EMAIL: &str = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z0-9]";
const CARD: &str = r"\b[0-9](?:[ -]?[0-9]){12,18}\b";
const REDACTED: &str = "[redacted]";

/// The worker: what it takes out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Redaction {
    patterns: Vec<String>,
}

/// The operator's settings.
#[derive(Debug, Deserialize)]
pub struct Settings {
    #[serde(default)]
    redact: Vec<String>,
}

impl Worker for Redaction {
    type Settings = Settings;
    type Converter = Redactor;

    fn describe() -> Manifest {
        Manifest::new("redaction", env!("CARGO_PKG_VERSION"), "aggregated")
            .summary("chat by llama.cpp, with addresses and card numbers taken out")
            .settings_schema(json!({
                "type": "object",
                "properties": {"redact": {"type": "array", "items": {"type": "string"}}},
            }))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        let setup = Setup::new(["llama-server"], Contact::ready_at("/health"))
            .arguments(start.arguments)
            .argument("--host", start.host)
            .argument("--port", start.port);
        Ok(match start.model_path {
            Some(model) => setup.argument("--model", model).into(),
            None => setup.into(),
        })
    }

    fn configure(settings: Settings, _: EngineReport) -> Result<Self> {
        let patterns = [EMAIL, CARD].map(String::from).into_iter().chain(settings.redact);
        let redaction = Redaction { patterns: patterns.collect() };
        redaction.compile()?;
        Ok(redaction)
    }

    fn registration(&self) -> Result<Registration> {
        Ok(Registration::aggregated(["chat"], Input::Text))
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Redactor>> {
        let mut body: BTreeMap<String, Json> = request.parse()?;
        // llama.cpp takes an explicit null for a value of the wrong type.
        body.retain(|_, value| !value.is_null());
        body.insert("stream".into(), true.into());
        let redactor = Redactor { patterns: self.compile()?, held: BTreeMap::new() };
        Ok(Plan::new(Call::post("/v1/chat/completions", &body)?.sse(), redactor))
    }
}

impl Redaction {
    fn compile(&self) -> Result<Vec<Regex>> {
        let compiled = self.patterns.iter().map(|pattern| {
            Regex::new(pattern)
                .map_err(|error| Error::invalid_request(format!("redact: `{pattern}`: {error}")))
        });
        compiled.collect()
    }
}

/// Takes out of each choice what matches.
#[derive(Debug)]
pub struct Redactor {
    patterns: Vec<Regex>,
    /// By choice: the text that may go on to be a secret.
    held: BTreeMap<u64, String>,
}

impl Converter for Redactor {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == b"[DONE]" {
            return Ok(Flow::Continue);
        }
        let mut chunk: Json = parse_event(event)?;
        for choice in chunk["choices"].as_array_mut().into_iter().flatten() {
            let held = self.held.entry(choice["index"].as_u64().unwrap_or(0)).or_default();
            held.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            let over = !choice["finish_reason"].is_null();
            let rest = held.split_off(if over { held.len() } else { decided(held) });
            let text = std::mem::replace(held, rest);
            if !text.is_empty() || choice["delta"]["content"].is_string() {
                choice["delta"]["content"] = redacted(&self.patterns, text).into();
            }
        }
        chunks.send(&chunk)?;
        Ok(Flow::Continue)
    }
}

fn redacted(patterns: &[Regex], text: String) -> String {
    patterns.iter().fold(text, |text, pattern| pattern.replace_all(&text, REDACTED).into_owned())
}

/// How much of `text` can be no part of a secret that goes on: all up to the last word, or to the
/// groups of digits at its end.
fn decided(text: &str) -> usize {
    let in_word = |letter: char| letter.is_ascii_alphanumeric() || "._%+@-".contains(letter);
    let in_number = |letter: char| letter.is_ascii_digit() || " -".contains(letter);
    let before_word = text.trim_end_matches(in_word).len();
    let before_number = text.trim_end_matches(in_number).len();
    match text[before_number..].contains(|letter: char| letter.is_ascii_digit()) {
        true => before_word.min(before_number),
        false => before_word,
    }
}

dynamo_worker_sdk::export!(Redaction);
