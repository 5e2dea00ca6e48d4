// A plugin for llama.cpp of which there are several versions, each in a file beside this folder that
// says in `THIS` what is different about it. Every chunk names the version it comes from, as
// `system_fingerprint`, so that a client sees whether its answer is of one piece.

use dynamo_worker_sdk::prelude::*;

/// What differs from version to version.
pub struct Version {
    pub number: &'static str,
    pub chats: bool,
    pub route: &'static str,
    /// Traps on one of so many requests, drawn by the host; 0 for none.
    pub traps_on_one_of: u32,
    /// Whether it answers a health check.
    pub is_well: bool,
    /// Whether it logs something for each request.
    pub talks: bool,
}

impl Version {
    pub const fn well(number: &'static str, route: &'static str) -> Self {
        Version { number, chats: true, route, traps_on_one_of: 0, is_well: true, talks: false }
    }
}

#[derive(Serialize, Deserialize)]
pub struct Relay;

impl Worker for Relay {
    type Settings = IgnoredAny;
    type Converter = Marked;

    fn describe() -> Manifest {
        Manifest::new("relay", THIS.number, "aggregated")
            .summary("hands llama.cpp's answers on and marks them with its version")
    }

    fn prepare(_: IgnoredAny, start: Start) -> Result<Option<Setup>> {
        guests::llama(start)
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(Relay)
    }

    fn registration(&self) -> Result<Registration> {
        Ok(match THIS.chats {
            true => Registration::aggregated(["chat", "completions"], Input::Text),
            false => Registration::aggregated(["completions"], Input::Text),
        })
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"prompt": "ping", "max_tokens": 1}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Marked>> {
        if request.probe && !THIS.is_well {
            return Err(Error::internal("this version is not well"));
        }
        if THIS.talks {
            dynamo_worker_sdk::info!("one line,\r\nthen \"another\"\twith \u{1b}[31mcolour\u{1b}[0m and {{\"a\": 1}}\0");
        }
        let of = THIS.traps_on_one_of;
        assert!(of == 0 || request.probe || !request.fresh.seed.is_multiple_of(of), "one of {of} requests");
        let mut body: serde_json::Map<String, Json> = request.parse()?;
        body.retain(|_, value| !value.is_null());
        if body.insert("stream".into(), true.into()) != Some(true.into()) {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        let chat = body.contains_key("messages");
        let path = if chat { "/v1/chat/completions" } else { "/v1/completions" };
        Ok(Plan::new(Call::post(path, &body)?.sse(), Marked))
    }
}

impl Routes for Relay {
    fn routes(&self) -> Vec<Route> {
        let summary = "Says which version answers".into();
        vec![Route { path: THIS.route.into(), surface: Surface::System, summary }]
    }

    fn handle(&self, _: &str, _: Json) -> Result<Json> {
        Ok(json!({"version": THIS.number}))
    }
}

pub struct Marked;

impl Converter for Marked {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event != b"[DONE]" {
            let mut chunk: Json = parse_event(event)?;
            chunk["system_fingerprint"] = THIS.number.into();
            chunks.send(&chunk)?;
        }
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(Relay, routes);
