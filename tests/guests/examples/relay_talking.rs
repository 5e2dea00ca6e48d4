//! A version whose log lines have in them what could break a log. It traps on a third of its requests,
//! which is logged too.
#![allow(missing_docs)]

const THIS: Version =
    Version { talks: true, traps_on_one_of: 3, ..Version::well("6.0.0", "first") };

include!("relay/worker.rs");
