//! Is slow and large to make: 24 MiB of data, all of it touched in `describe` and in each `plan`.
#![allow(missing_docs)]

use std::cell::RefCell;
use std::hint::black_box;

use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct SlowStart;

thread_local! {
    static LARGE: RefCell<[u8; 24 << 20]> = const { RefCell::new([1; 24 << 20]) };
}

fn touch() {
    LARGE.with_borrow_mut(|large| {
        for page in large.chunks_mut(4096) {
            page[0] = page[0].wrapping_add(1);
        }
        black_box(large);
    });
}

impl Worker for SlowStart {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        touch();
        Manifest::new("slow_start", "0.1.0", "test")
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(SlowStart)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    fn plan(&self, _: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        touch();
        Ok(Plan::new(Call::get("/generate").sse(), Nothing))
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(SlowStart);
