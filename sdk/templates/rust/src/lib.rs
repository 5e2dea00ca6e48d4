//! Chat, handed through to a llama.cpp server. Change what it does in `plan` and `event`.

use dynamo_worker_sdk::prelude::*;

/// What the worker knows once its engine is ready.
#[derive(Serialize, Deserialize)]
pub struct MyWorker {
    /// Put before every conversation, if the operator wants it (`--plugin-setting greeting=...`).
    greeting: Option<String>,
}

/// The operator's settings that this plugin reads.
#[derive(Deserialize)]
pub struct Settings {
    greeting: Option<String>,
}

impl Worker for MyWorker {
    type Settings = Settings;
    type Converter = Relay;

    fn describe() -> Manifest {
        Manifest::new("my_worker", env!("CARGO_PKG_VERSION"), "aggregated")
            .summary("chat, by a llama.cpp server")
            .settings_schema(json!({
                "type": "object",
                "properties": {"greeting": {"type": "string"}},
            }))
    }

    fn prepare(_: Settings, start: Start) -> Result<Option<Setup>> {
        let contact = Contact::ready_at("/health");
        let setup = Setup::new(["llama-server"], contact).arguments(start.arguments);
        let setup = match start.model_path {
            Some(model) => setup.argument("--model", model),
            None => setup,
        };
        Ok(setup.argument("--host", start.host).argument("--port", start.port).into())
    }

    fn configure(settings: Settings, _: EngineReport) -> Result<Self> {
        Ok(MyWorker { greeting: settings.greeting })
    }

    fn registration(&self) -> Result<Registration> {
        Ok(Registration::aggregated(["chat"], Input::Text))
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Relay>> {
        let mut body: Json = request.parse()?;
        let Some(messages) = body["messages"].as_array_mut() else {
            return Err(Error::invalid_request("messages: a list is wanted"));
        };
        if let Some(greeting) = &self.greeting {
            messages.insert(0, json!({"role": "system", "content": greeting}));
        }
        // llama.cpp takes an explicit null for a value of the wrong type.
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        body["stream"] = true.into();
        Ok(Plan::new(Call::post("/v1/chat/completions", &body)?.sse(), Relay))
    }
}

/// Hands the engine's chunks on.
pub struct Relay;

impl Converter for Relay {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event != b"[DONE]" {
            chunks.send(&parse_event::<Json>(event)?)?;
        }
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(MyWorker);
