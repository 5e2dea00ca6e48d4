//! What plugins are loaded by: a runtime with the operator's limits, trust and cache.

use std::time::Duration;

use dynamo_host_plugin::{Cache, Limits, Runtime, Trust};
use dynamo_host_trust::PublicKey;

use crate::cli::PluginFlags;
use crate::error::HostError;

/// The runtime that loads plugins as the operator wants it, first ones and later versions alike.
///
/// # Errors
/// There is no runtime on this machine, a trusted key cannot be used, or the folder for compiled
/// plugins that the operator names is open to others.
pub fn runtime(flags: &PluginFlags) -> Result<Runtime, HostError> {
    let call = Duration::from_millis(flags.plugin_timeout_ms);
    let runtime = Runtime::new(Limits { call, ..Limits::default() })?.with_trust(trust(flags)?);
    Ok(match &flags.plugin_cache {
        Some(folder) => runtime.with_cache(Cache::open(folder)?),
        None => runtime.with_cache(usual_cache()),
    })
}

/// The user's own cache. That there is none, or none that is safe, is no reason not to go on.
pub fn usual_cache() -> Option<Cache> {
    let opened = Cache::open(&Cache::usual_path()?);
    opened.inspect_err(|error| tracing::warn!("plugins are compiled at each start: {error}")).ok()
}

fn trust(flags: &PluginFlags) -> Result<Trust, HostError> {
    let mut keys = Vec::new();
    for path in &flags.plugin_trusted_keys {
        keys.extend(PublicKey::read_all(path)?);
    }
    Ok(Trust::new(flags.plugin_digests.clone(), keys))
}
