//! The way of one request through the host, from the payload Dynamo delivered to the chunks it
//! sends on.
//!
//! [`Worker::respond`] does it in this order, one module a step:
//!
//! 1. [`payload`]: the token ids are taken out of the request and stay here; the rest becomes JSON.
//! 2. [`fresh`]: the values a deterministic plugin cannot make are drawn.
//! 3. The plugin plans, in an instance of its own. A refusal ends here.
//! 4. [`splice`]: the token ids go into the body of the call the plugin planned.
//! 5. [`exchange`]: the engine is called, a real one or, in `dynamo-host check`, a scripted one.
//! 6. [`response`]: batches of the engine's events go to the plugin's converter, its chunks go out.
//!    If the client leaves, the connection is closed and the plugin's abort call is sent.
//!
//! Nothing here knows Dynamo's wire or an engine's payloads.

pub mod exchange;
pub mod fresh;
pub mod payload;
pub mod response;
pub mod splice;
mod worker;

pub use exchange::{Exchange, Reply};
pub use fresh::{FreshSource, SystemFresh};
pub use payload::{Codec, Payload};
pub use response::Response;
pub use worker::{AdapterNames, Incoming, Worker};
