//! Answers a request with what other workers answer: the endpoints in `ask`, one after another.
#![allow(missing_docs)]

use dynamo_worker_sdk::peers;
use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct AsksPeers;

#[derive(Deserialize)]
struct Body {
    ask: Vec<String>,
    /// What to send them; by default the request's id.
    #[serde(default)]
    body: Option<Json>,
    /// Leave after the first chunks.
    #[serde(default)]
    drop: bool,
}

impl Worker for AsksPeers {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        Manifest::new("asks_peers", "0.1.0", "test")
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(AsksPeers)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"ask": []}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        let body: Body = request.parse()?;
        let mut preface = Chunks::default();
        let asked = body.body.unwrap_or_else(|| json!({"for": request.id}));
        for endpoint in &body.ask {
            let reply = peers::open(endpoint, &asked)?;
            let chunks: Vec<Json> = if body.drop { reply.next()? } else { reply.collect()? };
            for chunk in chunks {
                preface.send(&chunk)?;
            }
        }
        if body.ask.is_empty() {
            preface.send(&json!({}))?;
        }
        Ok(Plan::answered(preface, Nothing))
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(AsksPeers);
