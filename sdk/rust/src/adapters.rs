//! LoRA adapters, as the host keeps them. Using this makes the component import
//! `dynamo:worker/adapters`.

use crate::bindings::dynamo::worker::adapters as host;
use crate::{Error, Result};

pub use host::Adapter;

/// The adapters published on this worker, by name.
///
/// # Errors
/// [`Kind::NotImplemented`](crate::Kind) unless the operator enabled adapters; so do all the others.
pub fn published() -> Result<Vec<Adapter>> {
    host::published().map_err(Error::from_failure)
}

/// The number under which Dynamo knows an adapter of this name.
pub fn id_of(name: &str) -> u32 {
    host::id_of(name)
}

/// Brings the files at `uri` to this machine; their directory.
///
/// # Errors
/// Why they cannot be had.
pub fn fetch(uri: &str) -> Result<String> {
    host::fetch(uri).map_err(Error::from_failure)
}

/// Publishes a model card for an adapter.
///
/// # Errors
/// Discovery refuses it, or does not answer.
pub fn publish(name: &str, path: &str, max_loaded: Option<u32>) -> Result<()> {
    host::publish(name, path, max_loaded).map_err(Error::from_failure)
}

/// Withdraws an adapter's model card.
///
/// # Errors
/// Discovery does not answer.
pub fn withdraw(name: &str) -> Result<()> {
    host::withdraw(name).map_err(Error::from_failure)
}
