//! Answers a request with what other workers answer: the endpoints in `ask`, one after another.
#![allow(missing_docs)]

use dynamo_worker_sdk::peers;
use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct AsksPeers;

#[derive(Deserialize)]
struct Body {
    ask: Vec<String>,
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

    fn prepare(_: IgnoredAny, _: Start) -> Result<Setup> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(AsksPeers)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        let body: Body = request.parse()?;
        let mut preface = Chunks::default();
        for endpoint in &body.ask {
            let reply = peers::open(endpoint, &json!({"for": request.id}))?;
            let chunks: Vec<Json> = if body.drop { reply.next()? } else { reply.collect()? };
            for chunk in chunks {
                preface.send(&chunk)?;
            }
        }
        Ok(Plan { preface, call: None, abort: None, converter: Nothing })
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(AsksPeers);
