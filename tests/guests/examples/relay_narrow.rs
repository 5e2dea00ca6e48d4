//! A version that serves less than the first one.
#![allow(missing_docs)]

const THIS: Version = Version { chats: false, ..Version::well("5.0.0", "first") };

include!("relay/worker.rs");
