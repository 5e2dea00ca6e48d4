//! Never says who it is.
#![allow(missing_docs)]

use std::hint::black_box;

use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct LoopsInDescribe;

impl Worker for LoopsInDescribe {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        loop {
            black_box(());
        }
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(LoopsInDescribe)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    fn plan(&self, _: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        Ok(Plan::new(Call::get("/"), Nothing))
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(LoopsInDescribe);
