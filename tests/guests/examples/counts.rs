//! Beside a generation plugin on the same llama.cpp: counts the tokens of a text. No client of a
//! frontend asks for that, only other workers.
#![allow(missing_docs)]

use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct Counts;

#[derive(Deserialize)]
struct Body {
    text: String,
}

impl Worker for Counts {
    type Settings = IgnoredAny;
    type Converter = Count;

    fn describe() -> Manifest {
        Manifest::new("counts", "1.0.0", "counts").summary("counts the tokens of a text")
    }

    fn prepare(_: IgnoredAny, start: Start) -> Result<Option<Setup>> {
        guests::llama(start)
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(Counts)
    }

    fn registration(&self) -> Result<Registration> {
        let none: [&str; 0] = [];
        let mut registration = Registration::aggregated(none, Input::Text);
        registration.component = "counts".into();
        Ok(registration)
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"text": "ping"}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Count>> {
        let Body { text } = request.parse()?;
        Ok(Plan::new(Call::post("/tokenize", &json!({"content": text}))?, Count))
    }
}

pub struct Count;

impl Converter for Count {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let answer: Json = parse_event(event)?;
        let tokens = answer["tokens"].as_array().map_or(0, Vec::len);
        chunks.send(&json!({"tokens": tokens}))?;
        Ok(Flow::Done)
    }

    fn engine_is_done(&self) -> bool {
        true
    }
}

dynamo_worker_sdk::export!(Counts);
