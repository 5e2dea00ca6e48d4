//! What an engine says about its KV cache, relayed to Dynamo's routers.
//!
//! An engine publishes each change of its cache on a ZeroMQ socket, one a data-parallel rank. A
//! router that hears of them sends a request to the worker that has most of its prompt already. On
//! the way from one to the other:
//!
//! 1. [`Relay`] has a thread for each rank of this machine ([`Source`]): it receives batches, asks
//!    the engine again for those it missed, and notices when a new engine stands behind the socket;
//! 2. [`batch`] turns the bytes of a batch into [`Change`]s, the tokens of each block into the hash
//!    by which routers know them ([`hash`]);
//! 3. a [`Ledger`] numbers the changes, keeps the last of them and what the cache holds as their
//!    sum, so that a router that comes late or misses some can ask;
//! 4. an [`Outlet`] takes the encoded [`event`]s to Dynamo's event plane.
//!
//! The sockets of a rank may also carry the scheduler's [`load`] and, untouched, the metrics of its
//! forward passes.
//!
//! Nothing here knows Dynamo's runtime: the outlets are the host's, and so is the endpoint that asks
//! [`Ledger::answer`]. What is said of Dynamo was read in `dynamo-llm` and `dynamo-kv-router` 1.6.1,
//! what is said of engines in SGLang 0.5.23.

pub mod batch;
mod counters;
pub mod event;
pub mod hash;
mod ledger;
pub mod load;
mod relay;
mod source;
mod subscriber;
mod tree;

pub use batch::{Block, Change, Decoder, Stored, Tier};
pub use counters::Counters;
pub use ledger::Ledger;
pub use load::Load;
pub use relay::{LoadOutlet, Outlet, Outlets, Rank, Relay, RelayError};
pub use source::Source;
