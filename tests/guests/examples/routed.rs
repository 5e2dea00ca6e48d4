//! Has routes of its own, and is content with a warm instance.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicU32, Ordering};

use dynamo_worker_sdk::prelude::*;

/// What survives a response in a warm instance only.
static SERVED: AtomicU32 = AtomicU32::new(0);

#[derive(Serialize, Deserialize)]
pub struct Routed {
    model_path: String,
}

impl Worker for Routed {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        let mut manifest = Manifest::new("routed", "0.1.0", "test");
        manifest.isolation = Isolation::Warm;
        manifest
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, engine: EngineReport) -> Result<Self> {
        Ok(Routed { model_path: engine.model_path })
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({}))
    }

    /// Answers how many requests the instance has served before.
    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        let served = SERVED.fetch_add(1, Ordering::Relaxed);
        let mut plan = Plan::new(Call::get("/"), Nothing);
        plan.preface.send(&served)?;
        match request.parse::<Json>()?["do"].as_str() {
            Some("trap") => unreachable!("asked to"),
            _ => Ok(plan),
        }
    }
}

impl Routes for Routed {
    fn routes(&self) -> Vec<Route> {
        let route = |path: &str, summary: &str| Route {
            path: path.into(),
            surface: Surface::System,
            summary: summary.into(),
        };
        vec![
            route("echo", "Answers the body and the model"),
            route("status", "Asks the engine"),
            route("loop", "Never returns"),
        ]
    }

    fn handle(&self, path: &str, body: Json) -> Result<Json> {
        match path {
            "echo" => Ok(json!({"body": body, "model": self.model_path})),
            "status" => {
                let reply = dynamo_worker_sdk::send_to_engine(Call::get("/status"))?;
                Ok(json!({"status": reply.status}))
            }
            "loop" => loop {
                std::hint::spin_loop();
            },
            other => Err(Error::new(Kind::NotFound, other)),
        }
    }
}

pub struct Nothing;

impl Converter for Nothing {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

dynamo_worker_sdk::export!(Routed, routes);
