//! The first version.
#![allow(missing_docs)]

const THIS: Version = Version::well("1.0.0", "first");

include!("relay/worker.rs");
