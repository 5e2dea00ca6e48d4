//! The engine: the process that generates, and the HTTP client that talks to it.
//!
//! The parts, from the inside out:
//!
//! * [`events`] cuts an answer's body into events. It is pure: bytes in, events out.
//! * [`client`] is one HTTP exchange on hyper: [`Client::send`] resolves at the answer's head,
//!   [`Reply::next`] hands over the events that have arrived, dropping the [`Reply`] closes the
//!   connection and so tells the engine to stop generating.
//!
//!
//! Nothing here knows an engine's payloads. What to run, which path tells readiness and what is
//! sent all come from the plugin.

pub mod client;
pub mod events;

pub use client::{Call, Client, EngineError, Limits, Reply};
pub use events::Framing;
