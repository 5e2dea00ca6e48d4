//! Text mode (`--use-sglang-tokenizer`): the frontend hands OpenAI requests through, and the engine
//! tokenizes and detokenizes. Deprecated by Dynamo; only chat is served.

use std::borrow::Cow;

use serde_json::Map;
use serde_json::value::RawValue;

use super::choices::Choices;
use super::errors::refused;
use super::event::VisibleStops;
use super::sampling::SamplingParams;
use super::template::{self, ChatTemplate};
use super::{ServerInfo, Settings};
use crate::prelude::*;
use crate::protocol::{FinishReason, GenerateRequest, SamplingOptions, StopConditions};
use crate::warn;

/// What text mode has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TextMode {
    template: Option<ChatTemplate>,
    /// The model, as answers name it.
    model: String,
}

/// The members of an OpenAI request that stand elsewhere in a request for tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TextRequest {
    messages: Option<Vec<Json>>,
    prompt: Option<String>,
    text: Option<String>,
    chat_template_kwargs: Option<Map<String, Json>>,
    chat_template_args: Option<Map<String, Json>>,
    tools: Option<Json>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    min_tokens: Option<u32>,
    stop: Json,
    stop_token_ids: Option<Vec<Json>>,
}

/// One request in text.
#[derive(Debug)]
pub struct TextPrompt {
    /// What the model goes on from.
    pub prompt: String,
    /// A string or a list of strings; null for none.
    stop: Json,
}

impl TextMode {
    /// Adds what text mode reads of the model to how the engine is met, if the operator wants it.
    pub fn prepare(settings: &Settings, mut setup: Setup) -> Setup {
        if settings.is_text() {
            warn!("use_sglang_tokenizer is deprecated: leave tokenizing to the frontend");
            setup.contact = setup.contact.model_file(template::FILE);
        }
        setup
    }

    /// Text mode, if the operator wants it.
    ///
    /// # Errors
    /// [`Kind::NotImplemented`] for an engine without a tokenizer.
    pub fn configure(
        settings: &Settings,
        server: &ServerInfo,
        report: &EngineReport,
    ) -> Result<Option<Self>> {
        if !settings.is_text() {
            return Ok(None);
        }
        if server.skip_tokenizer_init == Some(true) {
            return Err(Error::new(
                Kind::NotImplemented,
                "use_sglang_tokenizer: the engine runs with --skip-tokenizer-init, so it has none",
            ));
        }
        Ok(Some(TextMode::of_model(report)))
    }

    /// For workers whose requests are always text.
    pub fn of_model(report: &EngineReport) -> Self {
        let template = ChatTemplate::from_report(report);
        TextMode { template, model: report.served_name.clone() }
    }

    /// What writes the answer to `incoming`.
    pub fn writer(&self, incoming: &Request) -> ChatWriter {
        ChatWriter::new(incoming, &self.model)
    }

    /// Reads the prompt, and moves what else the request says to where `request` has it.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] without any prompt, for members of the wrong type, and for messages
    /// the model's template does not take.
    pub fn take(&self, incoming: &Request, request: &mut GenerateRequest) -> Result<TextPrompt> {
        let mut text: TextRequest = incoming.parse()?;
        let options: SamplingOptions = incoming.parse()?;
        request.sampling_options = options;
        let (stop, stop_token_ids) = stops(&mut text);
        request.stop_conditions = StopConditions {
            max_tokens: text.max_tokens.or(text.max_completion_tokens),
            min_tokens: text.min_tokens,
            stop_token_ids,
            max_thinking_tokens: request.stop_conditions.max_thinking_tokens.take(),
            ..StopConditions::default()
        };
        if let Some(messages) = text.messages.take() {
            // Where media the frontend left in them are looked for.
            request.extra_args.messages = Some(Json::Array(messages.clone()));
            return Ok(TextPrompt { prompt: self.render(messages, text)?, stop });
        }
        let prompt = text.prompt.or(text.text);
        let prompt = prompt.ok_or_else(|| refused("messages: missing, and `prompt` too"))?;
        Ok(TextPrompt { prompt, stop })
    }

    fn render(&self, mut messages: Vec<Json>, text: TextRequest) -> Result<String> {
        let template = self.template.as_ref().ok_or_else(template::missing)?;
        if !template.shows_reasoning() {
            messages.iter_mut().for_each(think_aloud);
        }
        let mut extra = text.chat_template_kwargs.unwrap_or_default();
        extra.extend(text.chat_template_args.unwrap_or_default());
        // Not the client's to say.
        extra.shift_remove("tokenize");
        extra.shift_remove("add_generation_prompt");
        if let Some(tools) = text.tools {
            extra.entry("tools").or_insert(tools);
        }
        template.render(&messages, extra)
    }
}

impl TextPrompt {
    /// Stop strings, as a list.
    pub fn stop_strings(&self) -> Vec<String> {
        match &self.stop {
            Json::String(stop) => vec![stop.clone()],
            stop => serde_json::from_value(stop.clone()).unwrap_or_default(),
        }
    }

    /// Stop strings, which the engine can look for as it has the text.
    pub fn stop_at(&mut self, params: &mut SamplingParams) {
        if !self.stop.is_null() {
            params.others.insert("stop".into(), self.stop.take());
        }
    }
}

/// Where to stop: a string, a list of strings, or a list of token ids. A list of anything else says
/// nothing, and neither does an empty one: then `stop_token_ids` counts.
fn stops(text: &mut TextRequest) -> (Json, Vec<u32>) {
    let ids = |list: &[Json]| -> Vec<u32> {
        list.iter().filter_map(Json::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
    };
    match text.stop.take() {
        stop @ Json::String(_) => (stop, Vec::new()),
        Json::Array(list)
            if !list.is_empty() && list.iter().all(|stop| stop.is_i64() || stop.is_u64()) =>
        {
            (Json::Null, ids(&list))
        }
        Json::Array(list) if !list.is_empty() && list.iter().all(Json::is_string) => {
            (Json::Array(list), Vec::new())
        }
        _ => (Json::Null, ids(text.stop_token_ids.as_deref().unwrap_or_default())),
    }
}

/// Puts what an assistant thought before what it answered, for templates without a place for it.
fn think_aloud(message: &mut Json) {
    let Some(message) = message.as_object_mut() else { return };
    if message.get("role").is_none_or(|role| role != "assistant") {
        return;
    }
    let thought = match message.get("reasoning_content") {
        Some(Json::String(thought)) if !thought.is_empty() => format!("<think>{thought}</think>"),
        Some(Json::Array(thoughts)) => thoughts
            .iter()
            .filter_map(Json::as_str)
            .filter(|thought| !thought.is_empty())
            .map(|thought| format!("<think>{thought}</think>"))
            .collect(),
        _ => return,
    };
    if thought.is_empty() {
        return;
    }
    let content = match message.remove("content") {
        Some(Json::String(answer)) => Json::String(thought + &answer),
        Some(Json::Array(mut parts)) => {
            parts.insert(0, json!({"type": "text", "text": thought}));
            Json::Array(parts)
        }
        _ => Json::String(thought),
    };
    message.insert("content".into(), content);
    message.shift_remove("reasoning_content");
}

/// Writes chunks of OpenAI's chat protocol.
#[derive(Debug)]
pub struct ChatWriter {
    id: String,
    created: u64,
    model: String,
}

#[derive(Debug, Serialize)]
struct ChatChunk<'a> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Map::is_empty")]
    nvext: Map<String, Json>,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<FinishReason>,
}

#[derive(Debug, Serialize)]
struct Delta<'a> {
    role: &'a str,
    content: Cow<'a, str>,
}

impl ChatWriter {
    /// For the answer to `incoming`, by `model`.
    pub fn new(incoming: &Request, model: &str) -> Self {
        ChatWriter {
            id: incoming.id.clone(),
            created: incoming.fresh.unix_millis / 1000,
            model: model.to_owned(),
        }
    }

    /// Appends what one event adds to the choice `index`.
    ///
    /// # Errors
    /// As [`Chunks::send`].
    pub fn send(
        &self,
        chunks: &mut Chunks,
        index: u32,
        content: Cow<'_, str>,
        finish_reason: Option<FinishReason>,
        nvext: Map<String, Json>,
    ) -> Result<()> {
        chunks.send(&ChatChunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices: [Choice { index, delta: Delta { role: "assistant", content }, finish_reason }],
            nvext,
        })
    }
}

/// Turns the engine's stream into chunks of OpenAI's chat protocol.
#[derive(Debug)]
pub struct TextConverter {
    choices: Choices,
    writer: ChatWriter,
    stops: VisibleStops,
    tells_stop_reason: bool,
}

impl TextConverter {
    /// For the answer to `request`.
    pub fn new(mode: &TextMode, incoming: &Request, request: &mut GenerateRequest) -> Self {
        let stops = VisibleStops::asked_for(request);
        let wanted = [&request.nvext.extra_fields, &request.extra_args.nvext.extra_fields];
        TextConverter {
            choices: Choices::new(request.sampling_options.n),
            writer: ChatWriter::new(incoming, &mode.model),
            stops,
            tells_stop_reason: wanted
                .into_iter()
                .flatten()
                .filter_map(Json::as_array)
                .flatten()
                .any(|field| field == "stop_reason"),
        }
    }

    /// Lets the client know of any token the engine stopped at.
    pub fn show_all_stops(mut self) -> Self {
        self.stops = VisibleStops::All;
        self
    }
}

impl Converter for TextConverter {
    fn engine_is_done(&self) -> bool {
        self.choices.are_complete()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let Some(delta) = self.choices.read(event)? else { return Ok(self.choices.flow()) };
        let mut nvext = Map::new();
        let stopped_at = delta.finish.as_ref().and_then(|finish| self.stops.reason(finish));
        if let Some(stop) = stopped_at.filter(|_| self.tells_stop_reason) {
            nvext.insert("stop_reason".into(), stop);
        }
        if let Some(experts) = delta.meta.routed_experts {
            nvext.insert("routed_experts".into(), parse_event(experts.get().as_bytes())?);
        }
        let text = delta.text.map(RawValue::get);
        let content: Cow<'_, str> =
            text.map(|text| parse_event(text.as_bytes())).transpose()?.unwrap_or_default();
        let finish = delta.finish.as_ref().map(|finish| finish.reason());
        self.writer.send(chunks, delta.index, content, finish, nvext)?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        self.choices.check_end()
    }
}
