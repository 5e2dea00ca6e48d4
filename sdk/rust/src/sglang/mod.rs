//! What workers that drive SGLang's own server have in common.
//!
//! Behaviour mirrors Dynamo 1.6.1's `dynamo.sglang`, with SGLang as a process behind HTTP instead
//! of a library: `Engine.async_generate(...)` there is `POST /generate` with the same member names
//! here. Written against SGLang 0.5.23.
//!
//! The way of a request: [`media`] and [`thinking`] check what the engine cannot be asked,
//! [`sampling`], [`guided`] and [`logprobs`] translate options, [`generate`] is the body they end
//! up in, and [`tokens`] turns what comes back into Dynamo's chunks. Two other ways lead through the
//! same [`choices`] of the engine's stream: `text`, where the engine tokenizes, and [`native`], for
//! requests in SGLang's own words. [`disagg`] is what changes where prefill and decode are two
//! engines' work, [`registration`] and [`health`] how a worker stands in Dynamo, [`routes`] what
//! operators can have done to the engine.

pub mod choices;
pub mod diffusion;
pub mod disagg;
pub mod drain;
pub mod encode;
pub mod endpoints;
pub mod engine;
pub mod errors;
pub mod event;
pub mod generate;
pub mod guided;
pub mod health;
pub mod hicache;
pub mod kv_events;
pub mod launch;
pub mod logprobs;
pub mod media;
pub mod multimodal;
pub mod native;
pub mod prefill;
pub mod python;
pub mod ranks;
mod references;
pub mod registration;
pub mod routes;
pub mod sampling;
pub mod server;
pub mod settings;
#[cfg(feature = "sglang-text")]
mod template;
#[cfg(feature = "sglang-text")]
pub mod text;
pub mod thinking;
pub mod tokens;

pub use engine::{Capabilities, Engine};
pub use generate::GenerateBody;
pub use routes::EngineRoutes;
pub use server::{ModelConfig, ServerInfo};
pub use settings::Settings;
pub use tokens::TokenConverter;
