//! A version that traps on a fifth of its requests, but not on health checks.
#![allow(missing_docs)]

const THIS: Version = Version { traps_on_one_of: 5, ..Version::well("3.0.0", "first") };

include!("relay/worker.rs");
