//! A version through which the health check fails.
#![allow(missing_docs)]

const THIS: Version = Version { is_well: false, ..Version::well("4.0.0", "first") };

include!("relay/worker.rs");
