//! Attacks the host in the export it is told to, in the way it is told.
#![allow(missing_docs, clippy::panic)]

use std::hint::black_box;
use std::time::Duration;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::{Instrument, Metric, media, metrics};

#[derive(Serialize, Deserialize)]
pub struct Attacks;

/// An attack, and the export it is to come from.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Order {
    attack: String,
    export: String,
}

/// Attacks if the order is for `export`; most attacks do not return.
fn attack(order: &Order, export: &str, chunks: &mut Chunks) -> Result<()> {
    if order.export != export {
        return Ok(());
    }
    match order.attack.as_str() {
        "trap" => panic!("told to trap"),
        "loop" => loop {
            black_box(());
        },
        "memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 1 << 20]));
            }
        }
        "recursion" => {
            #[allow(unconditional_recursion)]
            fn down(depth: u64) -> u64 {
                black_box([depth; 64]);
                down(depth + 1) + 1
            }
            chunks.send(&down(0))?;
        }
        "large output" => chunks.send_encoded(vec![0xc0; 16 << 20]),
        "one chunk ten thousand times" => repeat(chunks),
        "a million log lines" => {
            for line in 0..1_000_000 {
                dynamo_worker_sdk::warn!("line {line}");
            }
        }
        "long log lines" => {
            let line = "x".repeat(8 << 20);
            loop {
                dynamo_worker_sdk::warn!("{line}");
            }
        }
        "labels without end" => {
            let long = "x".repeat(64 << 10);
            for label in 0..100_000 {
                metrics::record(0, 1.0, &[&format!("{label}{long}")]);
            }
        }
        "every handle" => {
            let limits = || media::Limits {
                max_bytes: 1 << 20,
                timeout: Duration::from_secs(1),
                accept: Vec::new(),
            };
            let mut hoard = Vec::new();
            loop {
                hoard.push(media::fetch("https://example.com/", limits())?);
            }
        }
        "another's handle" => {
            for handle in 0..1_000 {
                black_box(size_of_blob(handle));
            }
        }
        other => return Err(Error::internal(format!("unknown attack {other}"))),
    }
    Ok(())
}

/// A list that names the same mebibyte ten thousand times.
fn repeat(chunks: &mut Chunks) {
    let shared = vec![0xc0; 1 << 20].leak();
    for _ in 0..10_000 {
        // SAFETY: none; the host is to find out before anybody frees it twice.
        #[allow(unsafe_code)]
        let chunk = unsafe { Vec::from_raw_parts(shared.as_mut_ptr(), shared.len(), shared.len()) };
        chunks.send_encoded(chunk);
    }
}

/// Asks for the size of a blob by a number that nobody gave us.
#[allow(unsafe_code)]
fn size_of_blob(handle: u32) -> u64 {
    #[cfg(target_family = "wasm")]
    {
        #[link(wasm_import_module = "dynamo:worker/handles@0.1.0")]
        unsafe extern "C" {
            #[link_name = "[method]blob.size"]
            fn size(handle: u32) -> u64;
        }
        // SAFETY: none is promised to a plugin; the host checks every handle.
        unsafe { size(handle) }
    }
    #[cfg(not(target_family = "wasm"))]
    u64::from(handle)
}

impl Worker for Attacks {
    type Settings = Order;
    type Converter = Ordered;

    fn describe() -> Manifest {
        let metric = Metric {
            name: "attacks".into(),
            help: "Attacks".into(),
            instrument: Instrument::Counter,
            labels: vec!["label".into()],
            buckets: Vec::new(),
        };
        Manifest::new("attacks", "0.1.0", "test").metrics(vec![metric])
    }

    fn prepare(order: Order, _: Start) -> Result<Option<Setup>> {
        attack(&order, "prepare", &mut Chunks::default())?;
        guests::setup()
    }

    fn configure(order: Order, _: EngineReport) -> Result<Self> {
        attack(&order, "configure", &mut Chunks::default())?;
        Ok(Attacks)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Ordered>> {
        let order: Order = request.parse()?;
        let mut preface = Chunks::default();
        attack(&order, "plan", &mut preface)?;
        let path = if order.export == "rejected" { "/refuse" } else { "/generate" };
        let mut plan = Plan::new(Call::post(path, &json!({}))?.sse(), Ordered(order));
        plan.preface = preface;
        Ok(plan)
    }
}

pub struct Ordered(Order);

impl Converter for Ordered {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        attack(&self.0, "push", chunks)?;
        chunks.send_encoded([&[0xc4, event.len() as u8], event].concat());
        Ok(Flow::Continue)
    }

    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        attack(&self.0, "finish", chunks)
    }

    fn rejected(&mut self, _: u16, _: &[u8], chunks: &mut Chunks) -> Result<()> {
        attack(&self.0, "rejected", chunks)
    }
}

impl Routes for Attacks {
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    fn handle(&self, _: &str, body: Json) -> Result<Json> {
        let order =
            serde_json::from_value(body).map_err(|error| Error::internal(error.to_string()))?;
        attack(&order, "handle", &mut Chunks::default())?;
        Ok(json!({}))
    }
}

dynamo_worker_sdk::export!(Attacks, routes);
