//! What the bench `chunks` measures: one conversion, behind every representation of events and
//! chunks that could cross between host and plugin.

pub mod conversion;

#[cfg(target_family = "wasm")]
mod component;
