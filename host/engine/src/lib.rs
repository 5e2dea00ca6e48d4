//! The engine: the process that generates, and the HTTP client that talks to it.
//!
//! Three parts, from the inside out:
//!
//! * [`events`] cuts an answer's body into events. It is pure: bytes in, events out.
//! * [`client`] is one HTTP exchange on hyper: [`Client::send`] resolves at the answer's head,
//!   [`Reply::next`] hands over the events that have arrived, dropping the [`Reply`] closes the
//!   connection and so tells the engine to stop generating.
//! * [`process`] runs an engine as a child that cannot outlive us, and keeps its last lines.
//!
//! [`Engine`] joins them: it starts an engine (or attaches to one that runs already), waits until it
//! can generate, says at once when it no longer can, and brings it back.
//!
//! Nothing here knows an engine's payloads. What to run, which path tells readiness and what is
//! sent all come from the plugin.

pub mod client;
pub mod events;
pub mod process;
mod supervise;

pub use client::{Call, Client, EngineError, Limits, Reply};
pub use events::Framing;
pub use process::{Command, Guard, StartError, free_port, run_guard_if_asked};
pub use supervise::{Contact, Engine, Policy, State};
