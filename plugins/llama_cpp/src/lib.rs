//! A stock llama.cpp server as engine: `--plugin llama_cpp --model-path MODEL.gguf`.
//!
//! Registers as text in, OpenAI chunks out: the GGUF carries the chat template and the tokenizer,
//! llama.cpp applies both, and a newcomer needs nothing but the one file. (Tokens in would need
//! tokenizer files made from the GGUF first, and would gain KV-aware routing, which llama.cpp has no
//! events for.)

use dynamo_worker_sdk::prelude::*;

/// The worker. llama.cpp tells it all it needs at each request.
#[derive(Debug, Serialize, Deserialize)]
pub struct LlamaCpp {
    /// Tokens of context one request may use.
    context_length: Option<u64>,
    /// Requests served at once.
    slots: Option<u64>,
    /// Whether the model takes images (`--mmproj`).
    vision: bool,
    /// Whether it takes sounds.
    audio: bool,
}

impl Worker for LlamaCpp {
    type Settings = IgnoredAny;
    type Converter = Relay;

    fn describe() -> Manifest {
        Manifest::new("llama_cpp", env!("CARGO_PKG_VERSION"), "aggregated")
            .summary("chat and completions from a GGUF model by a stock llama.cpp server")
    }

    fn prepare(_: IgnoredAny, start: Start) -> Result<Option<Setup>> {
        let contact =
            Contact::ready_at("/health").report("/props").metrics("/metrics", "llamacpp:");
        let setup = Setup::new(["llama-server"], contact).arguments(start.arguments);
        let setup = match start.model_path {
            Some(model) => setup.argument("--model", model),
            None => setup,
        };
        let setup = match start.served_name {
            Some(name) => setup.argument("--alias", name),
            None => setup,
        };
        Ok(setup
            .argument("--host", start.host)
            .argument("--port", start.port)
            .flag("--metrics")
            .flag("--no-ui")
            .flag("--offline")
            .into())
    }

    fn configure(_: IgnoredAny, engine: EngineReport) -> Result<Self> {
        let props = engine.answer("/props");
        Ok(LlamaCpp {
            context_length: props["default_generation_settings"]["n_ctx"].as_u64(),
            slots: props["total_slots"].as_u64(),
            vision: props["modalities"]["vision"] == true,
            audio: props["modalities"]["audio"] == true,
        })
    }

    fn registration(&self) -> Result<Registration> {
        Registration::aggregated(["chat", "completions"], Input::Text).runtime_config(&json!({
            "context_length": self.context_length,
            "max_num_seqs": self.slots,
        }))
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Relay>> {
        let mut body: serde_json::Map<String, Json> = request.parse()?;
        self.check_media(&body)?;
        // llama.cpp takes an explicit null for a value of the wrong type.
        body.retain(|_, value| !value.is_null());
        let path = match (body.contains_key("messages"), body.contains_key("prompt")) {
            (true, _) => "/v1/chat/completions",
            (false, true) => "/v1/completions",
            (false, false) => return Err(Error::invalid_request("messages or prompt is required")),
        };
        // The frontend gathers the chunks of a client that does not stream, and wants the counts.
        let streams = body.insert("stream".into(), true.into()) == Some(true.into());
        if !streams {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        let call = Call::post(path, &body)?.sse().headers(&request.trace_headers);
        Ok(Plan::new(call, Relay::default()))
    }
}

impl LlamaCpp {
    /// Refuses what the model cannot see or hear: llama.cpp would call that an error of its own.
    fn check_media(&self, body: &serde_json::Map<String, Json>) -> Result<()> {
        let messages = body.get("messages").and_then(Json::as_array);
        let parts =
            messages.into_iter().flatten().filter_map(|message| message["content"].as_array());
        for part in parts.flatten() {
            let taken = match part["type"].as_str() {
                Some("image_url") => self.vision,
                Some("input_audio") => self.audio,
                _ => true,
            };
            if !taken {
                let kind = part["type"].as_str().unwrap_or_default();
                return Err(Error::invalid_request(format!("messages: the model takes no {kind}")));
            }
        }
        Ok(())
    }
}

/// Hands the engine's chunks on. Closing the connection is all the abort llama.cpp needs.
#[derive(Debug, Default)]
pub struct Relay {
    complete: bool,
}

impl Converter for Relay {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == b"[DONE]" {
            self.complete = true;
            return Ok(Flow::Continue);
        }
        let chunk: Json = parse_event(event)?;
        if let Some(code) = chunk["error"]["code"].as_u64() {
            return Err(Error::from_engine(u16::try_from(code).unwrap_or(500), event));
        }
        chunks.send(&chunk)?;
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.complete {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "llama.cpp ended its answer before it was complete"))
    }
}

dynamo_worker_sdk::export!(LlamaCpp);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use dynamo_worker_sdk::testing;

    const WORKER: LlamaCpp =
        LlamaCpp { context_length: None, slots: None, vision: false, audio: false };

    fn planned(body: Json) -> (String, Json) {
        let call = testing::plan(&WORKER, body).unwrap().next.unwrap().into_call().unwrap();
        (call.path, serde_json::from_slice(&call.body).unwrap())
    }

    #[test]
    fn nulls_go_and_the_answer_always_streams() {
        let (path, body) = planned(json!({"messages": [], "temperature": null, "stream": false}));
        assert_eq!(path, "/v1/chat/completions");
        let usage = json!({"include_usage": true});
        assert_eq!(body, json!({"messages": [], "stream": true, "stream_options": usage}));
    }

    #[test]
    fn a_client_that_streams_says_itself_whether_it_wants_usage() {
        let (path, body) = planned(json!({"prompt": "a", "stream": true}));
        assert_eq!(
            (path.as_str(), body),
            ("/v1/completions", json!({"prompt": "a", "stream": true}))
        );
    }

    #[test]
    fn a_request_without_a_prompt_is_refused() {
        let error = testing::plan(&WORKER, json!({"model": "m"})).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
    }

    #[test]
    fn an_image_is_for_a_model_that_sees() {
        let image =
            json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
        let body = json!({"messages": [{"role": "user", "content": [image]}]});
        let error = testing::plan(&WORKER, body.clone()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
        assert!(error.message().contains("image_url"), "{}", error.message());
        let seeing = LlamaCpp { vision: true, ..WORKER };
        assert!(testing::plan(&seeing, body).is_ok());
    }

    #[test]
    fn an_answer_without_its_end_may_be_had_elsewhere() {
        let converted = testing::convert(&mut Relay::default(), &[r#"{"choices":[]}"#]);
        assert_eq!(converted.chunks, [json!({"choices": []})]);
        assert_eq!(converted.error.unwrap().kind(), Kind::Unavailable);
        assert!(testing::convert(&mut Relay::default(), &["[DONE]"]).error.is_none());
    }

    #[test]
    fn an_error_event_ends_the_answer_with_the_engines_words() {
        let event = r#"{"error":{"code":400,"message":"too long","type":"x"}}"#;
        let error = testing::convert(&mut Relay::default(), &[event]).error.unwrap();
        assert_eq!(error.kind(), Kind::InvalidRequest);
    }
}
