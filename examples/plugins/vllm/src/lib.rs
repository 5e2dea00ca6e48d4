//! A stock vLLM server as engine, tokens in and tokens out.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::{FinishReason, GenerateRequest, TokenChunk};

/// The worker: the name its engine knows the model by.
#[derive(Debug, Serialize, Deserialize)]
pub struct Vllm {
    model: String,
    context_length: Option<u64>,
}

impl Worker for Vllm {
    type Settings = IgnoredAny;
    type Converter = Tokens;

    fn describe() -> Manifest {
        Manifest::new("vllm", env!("CARGO_PKG_VERSION"), "aggregated")
            .summary("chat and completions by a stock vLLM server")
    }

    fn prepare(_: IgnoredAny, start: Start) -> Result<Option<Setup>> {
        let contact = Contact::ready_at("/health").report("/v1/models");
        let setup = Setup::new(["python3", "-m", "vllm.entrypoints.openai.api_server"], contact)
            .arguments(start.arguments);
        let setup = match start.model_path {
            Some(model) => setup.argument("--model", model),
            None => setup,
        };
        Ok(setup.argument("--host", start.host).argument("--port", start.port).into())
    }

    fn configure(_: IgnoredAny, engine: EngineReport) -> Result<Self> {
        let model = &engine.answer("/v1/models")["data"][0];
        let Some(id) = model["id"].as_str() else {
            return Err(Error::backend_protocol("vLLM lists no model at /v1/models"));
        };
        Ok(Vllm { model: id.into(), context_length: model["max_model_len"].as_u64() })
    }

    fn registration(&self) -> Result<Registration> {
        Registration::aggregated(["chat", "completions"], Input::Tokens)
            .runtime_config(&json!({"context_length": self.context_length}))
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"token_ids": [1], "stop_conditions": {"max_tokens": 1, "ignore_eos": true}}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Tokens>> {
        let GenerateRequest { sampling_options, stop_conditions, output_options, .. } =
            request.parse()?;
        if output_options.logprobs.is_some_and(|wanted| !wanted.is_null()) {
            return Err(Error::invalid_request("logprobs: vLLM does not stream them by token id"));
        }
        let stop: Vec<u32> =
            [stop_conditions.stop_token_ids, stop_conditions.stop_token_ids_hidden].concat();
        // Without a limit vLLM stops after 16 tokens.
        let room = |context: u64| context.saturating_sub(request.token_count.unwrap_or(0).into());
        let max_tokens =
            stop_conditions.max_tokens.map(u64::from).or(self.context_length.map(room));
        let mut body = json!({
            "model": self.model,
            "stream": true,
            "stream_options": {"include_usage": true},
            "return_token_ids": true,
            "n": sampling_options.n,
            "temperature": sampling_options.temperature,
            "top_p": sampling_options.top_p,
            "top_k": sampling_options.top_k,
            "min_p": sampling_options.min_p,
            "seed": sampling_options.seed,
            "presence_penalty": sampling_options.presence_penalty,
            "frequency_penalty": sampling_options.frequency_penalty,
            "repetition_penalty": sampling_options.repetition_penalty,
            "max_tokens": max_tokens,
            "min_tokens": stop_conditions.min_tokens,
            "ignore_eos": stop_conditions.ignore_eos,
            "stop_token_ids": stop,
        });
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        let call = Call::post("/v1/completions", &body)?.sse().tokens_as("prompt");
        // vLLM gives a request up when its connection closes: there is no call to abort.
        Ok(Plan::new(call.headers(&request.trace_headers), Tokens::default()))
    }
}

/// An event of the stream.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Json>,
    error: Option<Json>,
}

#[derive(Deserialize)]
struct Choice {
    index: u32,
    token_ids: Option<Vec<u32>>,
    finish_reason: Option<String>,
    stop_reason: Option<Json>,
}

/// Hands tokens on.
#[derive(Debug, Default)]
pub struct Tokens {
    complete: bool,
}

impl Converter for Tokens {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == b"[DONE]" {
            self.complete = true;
            return Ok(Flow::Continue);
        }
        let Event { choices, usage, error } = parse_event(event)?;
        if error.is_some() {
            return Err(Error::from_engine(500, event));
        }
        for choice in choices {
            chunks.send(&TokenChunk {
                index: choice.index,
                token_ids: choice.token_ids.unwrap_or_default(),
                finish_reason: choice.finish_reason.as_deref().map(FinishReason::from_word),
                stop_reason: choice.stop_reason,
                ..TokenChunk::default()
            })?;
        }
        if let Some(usage) = usage {
            let usage = json!({"index": 0, "token_ids": [], "completion_usage": usage});
            chunks.send(&usage)?;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "vLLM ended its answer before it was complete"))
    }
}

dynamo_worker_sdk::export!(Vllm);
