//! The Rust SDK for worker plugins of `dynamo-host`.
//!
//! A plugin is a type that implements [`Worker`]: it says who it is, how its engine is started,
//! how it stands in Dynamo's discovery, and turns each request into one HTTP call to the engine and
//! the engine's answer into response chunks. It has no I/O; the host does what it says.
//!
//! ```
//! use dynamo_worker_sdk::prelude::*;
//!
//! /// Hands OpenAI requests to any engine that speaks OpenAI itself.
//! #[derive(Serialize, Deserialize)]
//! struct PassThrough;
//!
//! impl Worker for PassThrough {
//!     type Settings = IgnoredAny;
//!     type Converter = Relay;
//!
//!     fn describe() -> Manifest {
//!         Manifest::new("pass_through", "0.1.0", "aggregated")
//!             .summary("OpenAI chat, handed through to an OpenAI server")
//!     }
//!
//!     fn prepare(_: IgnoredAny, start: Start) -> Result<Option<Setup>> {
//!         Ok(Setup::new(["my-server"], Contact::ready_at("/health"))
//!             .argument("--port", start.port)
//!             .arguments(start.arguments)
//!             .into())
//!     }
//!
//!     fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
//!         Ok(PassThrough)
//!     }
//!
//!     fn registration(&self) -> Result<Registration> {
//!         Ok(Registration::aggregated(["chat"], Input::Text))
//!     }
//!
//!     fn health_check(&self) -> Result<Json> {
//!         Ok(json!({"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}))
//!     }
//!
//!     fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Relay>> {
//!         let mut body: Json = request.parse()?;
//!         body["stream"] = true.into();
//!         Ok(Plan::new(Call::post("/v1/chat/completions", &body)?.sse(), Relay))
//!     }
//! }
//!
//! struct Relay;
//!
//! impl Converter for Relay {
//!     fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
//!         if event != b"[DONE]" {
//!             chunks.send(&parse_event::<Json>(event)?)?;
//!         }
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! dynamo_worker_sdk::export!(PassThrough);
//! # fn main() {}
//! ```
//!
//! Build it for `wasm32-wasip2`, try it on recorded cases with `dynamo-host check`, and test it
//! natively with [`testing`].

pub mod adapters;
pub mod bindings;
mod builders;
mod calls;
mod card;
mod chunks;
mod error;
mod export;
pub mod log;
pub mod media;
pub mod metrics;
pub mod peers;
pub mod protocol;
mod request;
pub mod service;
#[cfg(feature = "sglang")]
pub mod sglang;
pub mod testing;
mod worker;

pub use bindings::dynamo::worker::engine::Reply as EngineReply;
pub use bindings::dynamo::worker::types::{EngineReport, Failure, Fresh, Kind, Request};
pub use bindings::exports::dynamo::worker::worker::{
    Contact, Exposition, Input, Instrument, Isolation, Manifest, Metric, Registration, Setup, Start,
};
pub use bindings::routed::exports::dynamo::worker::routes::{Route, Surface};
pub use calls::{Call, Encoding, Framing, Inlay, InlayForm, Source, Step, send_to_engine};
pub use card::Card;
pub use chunks::{Chunks, parse_chunk, parse_event};
pub use error::{Error, Result};
pub use export::Adapter;
pub use request::Prompt;
pub use worker::{Converter, Flow, Plan, Routes, Worker};

/// Everything a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Call, Card, Chunks, Contact, Converter, EngineReport, Error, Flow, Framing, InlayForm,
        Input, Isolation, Kind, Manifest, Plan, Prompt, Registration, Request, Result, Route,
        Routes, Setup, Start, Step, Surface, Worker, parse_chunk, parse_event,
    };
    pub use serde::de::IgnoredAny;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value as Json, json};
}
