//! Does what it is told: `plan` what the request's `do` says, the converter what an event says.
#![allow(missing_docs, clippy::panic)]

use std::hint::black_box;

use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct Misbehave;

thread_local! {
    /// Plans of this instance, to show whether instances are shared.
    static PLANS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "do")]
    what: String,
}

/// Does `what`; most of what it can do does not return.
fn misbehave(what: &str, prompt: Option<&Prompt>, chunks: &mut Chunks) -> Result<()> {
    match what {
        "trap" => panic!("told to trap"),
        "loop" => loop {
            black_box(());
        },
        "allocate" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 1 << 20]));
            }
        }
        "recurse" => {
            #[allow(unconditional_recursion)]
            fn down(depth: u64) -> u64 {
                black_box([depth; 64]);
                down(depth + 1) + 1
            }
            chunks.send(&down(0))?;
        }
        "refuse" => return Err(Error::invalid_request("told to refuse")),
        "flood-log" => {
            for line in 0..100_000 {
                dynamo_worker_sdk::debug!("line {line}");
            }
        }
        "print" => println!("{}", "x".repeat(1 << 20)),
        "sum" => {
            let sum: u64 = prompt.map_or(0, |prompt| prompt.iter().map(u64::from).sum());
            chunks.send(&json!({"sum": sum}))?;
        }
        "count" => {
            let count = PLANS.get() + 1;
            PLANS.set(count);
            chunks.send(&json!({"count": count}))?;
        }
        "hash" => {
            use std::hash::BuildHasher;
            let hash = std::collections::hash_map::RandomState::new().hash_one("x");
            chunks.send(&json!({"hash": hash}))?;
        }
        other => chunks.send(&json!({"echo": other}))?,
    }
    Ok(())
}

impl Worker for Misbehave {
    type Settings = IgnoredAny;
    type Converter = Obedient;

    fn describe() -> Manifest {
        Manifest::new("misbehave", "0.1.0", "test")
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(Misbehave)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"do": "nothing"}))
    }

    fn plan(&self, request: &Request, prompt: &Prompt) -> Result<Plan<Obedient>> {
        let body: Body = request.parse()?;
        let call = Call::post("/generate", &json!({"rid": request.fresh.request_id}))?;
        let abort = Call::post("/abort", &json!({"rid": request.fresh.request_id}))?;
        let mut plan = Plan::new(call.sse().tokens_as("input_ids"), Obedient).abort_with(abort);
        misbehave(&body.what, Some(prompt), &mut plan.preface)?;
        Ok(plan)
    }
}

pub struct Obedient;

impl Converter for Obedient {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match event {
            b"done" => return Ok(Flow::Done),
            event => misbehave(&String::from_utf8_lossy(event), None, chunks)?,
        }
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(Misbehave);
