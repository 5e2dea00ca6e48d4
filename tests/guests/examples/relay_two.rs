//! The next version: with another route.
#![allow(missing_docs)]

const THIS: Version = Version::well("2.0.0", "second");

include!("relay/worker.rs");
