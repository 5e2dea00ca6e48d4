//! Fetches what a request names, looks at it and stores it.
#![allow(missing_docs)]

use std::time::Duration;

use dynamo_worker_sdk::media::{self, Limits};
use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct MovesMedia;

#[derive(Deserialize)]
struct Body {
    /// URLs, fetched one after another.
    fetch: Vec<String>,
    /// Let go of each before the next.
    #[serde(default)]
    drop: bool,
    /// Store each under this name.
    #[serde(default)]
    store: Option<String>,
}

impl Worker for MovesMedia {
    type Settings = IgnoredAny;
    type Converter = Nothing;

    fn describe() -> Manifest {
        Manifest::new("moves_media", "0.1.0", "test")
    }

    fn prepare(_: IgnoredAny, _: Start) -> Result<Option<Setup>> {
        guests::setup()
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(MovesMedia)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"fetch": []}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Nothing>> {
        let body: Body = request.parse()?;
        let mut preface = Chunks::default();
        let mut kept = Vec::new();
        for url in &body.fetch {
            let limits = Limits {
                max_bytes: 1 << 20,
                timeout: Duration::from_secs(5),
                accept: vec!["image/".into()],
            };
            let blob = media::fetch(url, limits)?;
            let stored = body.store.as_deref().map(|name| blob.store(name)).transpose()?;
            preface.send(&json!({
                "size": blob.size(),
                "content_type": blob.content_type(),
                "second_and_third": blob.read(1, 2),
                "past_the_end": blob.read(u64::MAX, 9),
                "url": stored,
            }))?;
            if !body.drop {
                kept.push(blob);
            }
        }
        if body.fetch.is_empty() {
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

dynamo_worker_sdk::export!(MovesMedia);
