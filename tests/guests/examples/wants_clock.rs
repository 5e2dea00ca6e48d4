//! Reads the clock, which no plugin gets.
#![allow(missing_docs)]

use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct WantsClock;

impl Worker for WantsClock {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        Manifest::new("wants_clock", "0.1.0", "test")
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(WantsClock)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    fn plan(&self, _: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        std::time::SystemTime::now().elapsed()?;
        Ok(Plan::new(Call::get("/"), Nothing))
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(WantsClock);
