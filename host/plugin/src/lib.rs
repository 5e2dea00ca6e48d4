//! The plugin runtime: loads a WebAssembly component written against `wit/`, and runs it for one
//! request at a time.
//!
//! - [`Runtime`] holds the compiler, its [`Cache`] and the pool of instances, and whom the operator
//!   trusts ([`Trust`]): one per process.
//! - [`Artifact`] is a component before anything is believed of it.
//! - [`Plugin`] is one component, loaded, verified, checked against the contract's version and the operator's
//!   [`Grants`], compiled and described.
//! - [`Session`] is one response: a fresh instance (or a warm one, if the manifest asks) in which
//!   `plan` runs, then the converter.
//!
//! Whatever a component does wrong ends as a [`Failure`] of the call that met it: a trap, a loop
//! past the [`Limits`], memory without end. The instance is then thrown away, and nothing else
//! notices.

mod adapters;
mod artifact;
mod background;
mod bindings;
mod cache;
mod calls;
mod deadline;
mod families;
mod grants;
mod handles;
mod held;
mod imports;
mod inspect;
mod instance;
mod lane;
mod limits;
mod load;
mod media;
mod peers;
mod plugin;
mod routes;
mod runtime;
mod service;
mod session;
mod wasi;

pub use adapters::{AdapterStore, adapter_id};
pub use artifact::{Artifact, SIGNATURE_SUFFIX};
pub use background::give_way;
pub use bindings::adapters::Adapter;
pub use bindings::contract::{
    Configured, Contact, Ending, Exposition, Input, Instrument, Isolation, Manifest, Metric,
    Registration, Setup, Start,
};
pub use bindings::routes::{Route, Surface};
pub use bindings::types::{EngineReport, Fresh, Request};
pub use cache::{Cache, CacheError};
pub use calls::{Call, Encoding, Framing, Inlay, InlayForm, Output, Source, Step};
pub use dynamo_host_blob::{Blob, holdings};
pub use dynamo_host_failure::{Failure, Kind};
pub use dynamo_host_trust::{Digest, Distrust, PublicKey, Trust};
pub use families::{family_name, is_dynamos};
pub use grants::{Grant, Grants, UnknownGrant};
pub use held::Held;
pub use imports::{EngineControl, EngineReply, Fault, Hooks, MetricSink};
pub use inspect::{Import, Interfaces, Standing};
pub use limits::Limits;
pub use load::LoadError;
pub use media::{MediaAccess, MediaLimits};
pub use peers::{PeerCalls, PeerChunks};
pub use plugin::Plugin;
pub use runtime::{Runtime, RuntimeError};
pub use service::ServiceControl;
pub use session::{ResponsePlan, Session};
