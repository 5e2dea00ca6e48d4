//! The way of one request through the host, from the payload Dynamo delivered to the chunks it
//! sends on.
//!
//! [`Worker::respond`] does it in this order, one module a step:
//!
//! 1. [`payload`]: the token ids are taken out of the request and stay here; the rest becomes JSON
//!    (`token_ids` reads them, and writes them again in 4).
//! 2. [`fresh`]: the values a deterministic plugin cannot make are drawn.
//! 3. The plugin plans, in an instance of its own. A refusal ends here.
//! 4. [`call`]: what the plugin planned becomes the call that is sent. [`splice`] writes the token ids
//!    into its body, [`inlay`] or `form` media.
//! 5. [`exchange`]: the engine is called, a real one or, in `dynamo-host check`, a scripted one. Or
//!    another worker answers.
//! 6. [`response`]: batches of events go to the plugin's converter, its chunks go out. Media are kept
//!    out of the plugin: `medium` takes them from the engine's answer (`lift` where they stand in
//!    JSON), and writes them into chunks.
//! 7. The converter may ask for a further step, and 4 to 6 come again. If the client leaves, the
//!    connection is closed and the step's abort call is sent.
//!
//! A trace shows 3 and 5 as `spans` below Dynamo's own.
//!
//! Nothing here knows Dynamo's wire or an engine's payloads.

pub mod call;
pub mod exchange;
mod form;
pub mod fresh;
pub mod inlay;
mod lift;
mod medium;
mod msgpack;
pub mod payload;
pub mod response;
mod slots;
mod spans;
pub mod splice;
mod token_ids;
mod worker;

pub use exchange::{Exchange, Reply};
pub use fresh::{FreshSource, SystemFresh};
pub use payload::{Codec, Payload};
pub use response::{Response, is_plugins};
pub use worker::{AdapterNames, Incoming, Worker};
