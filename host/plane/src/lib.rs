//! The Dynamo plane: how a worker stands in Dynamo's discovery, receives requests and answers them.
//!
//! This crate is the only one that sees `dynamo-runtime`, whose source interface breaks with each
//! minor release; no type of it appears in a public signature here. What the crate says about
//! Dynamo's behaviour was read in, and tested against, `dynamo-runtime` 1.6.1.
//!
//! The life of a worker through this crate:
//!
//! 1. [`Plane::connect`] joins discovery and starts the system server (`DYN_SYSTEM_PORT`), whose
//!    `/health` answers 503 from now on;
//! 2. [`Plane::serve`] opens the endpoint and puts a [`Handler`] behind it;
//! 3. [`Served::probe`] sends the health-check payload through the handler;
//! 4. [`Served::publish_card`] publishes the model card ([`card`]), which is what makes a frontend
//!    list the model, and [`Plane::set_ready`] lets `/health` answer 200;
//! 5. each request reaches [`Handler::handle`] as the bytes that arrived, and each chunk leaves as
//!    the bytes the handler made; meanwhile
//!    [`Plane::peers`] calls other workers on its behalf, and a [`Publisher`] tells routers of events;
//! 6. [`Served::withdraw`] leaves discovery while requests in flight and late ones are still
//!    served, [`Served::drain`] waits for them, [`Served::rejoin`] comes back;
//! 7. when etcd has forgotten us ([`Plane::lost`]), [`Plane::renew`] and [`Served::renew`] join again;
//! 8. [`Served::close`] and [`Plane::shutdown`] end it.
//!
//! Beside that, [`Object`] is what a fleet of hosts shares through Dynamo's NATS server.

pub mod card;
mod config;
mod endpoint;
mod engine;
mod error;
mod event;
mod failure;
mod flight;
mod frame;
mod handler;
mod link;
pub mod logging;
mod objects;
mod peer;
mod plane;
mod roster;
mod served;
mod token;

pub use config::{Discovery, EventPlane, PlaneConfig, RequestPlane};
pub use endpoint::{EndpointId, InvalidEndpoint};
pub use error::PlaneError;
pub use event::{KvSource, KvSourceOptions, Publisher};
pub use frame::chunk_frame;
pub use handler::{Cancel, Cancelled, Chunks, Codec, Handler, Request};
pub use objects::{Changes, InvalidAddress, Object, ObjectAddress, ObjectError};
pub use peer::{PeerReply, Peers};
pub use plane::{Plane, RouteHandler};
pub use served::{ServeOptions, Served};
pub use token::RouteToken;
