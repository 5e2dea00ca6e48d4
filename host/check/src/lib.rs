//! wip
#[allow(dead_code)]
pub mod case;
#[allow(dead_code)]
mod compare;
#[allow(dead_code)]
mod values;
pub use compare::{Difference, Rules};
pub use values::{from_msgpack, to_msgpack};
