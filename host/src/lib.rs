//! `dynamo-host`: serves a model as a worker of NVIDIA Dynamo, with a WebAssembly plugin between
//! Dynamo's requests and an engine process.
//!
//! # The way of one request
//!
//! A client asks the frontend, the frontend finds this worker in discovery and sends the request:
//!
//! 1. [`plane`] receives the payload, undecoded, on the endpoint it serves, and hands it to
//!    [`handler`], which knows the version of the moment.
//! 2. [`request`] takes over ([`request::Worker::respond`]). [`request::payload`] takes the token
//!    ids out, [`request::fresh`] draws what a deterministic plugin cannot make.
//! 3. [`plugin`] gives the request an instance of its own ([`plugin::Session`]) and the plugin
//!    plans: an HTTP call in its engine's words, another worker's response, or a refusal.
//! 4. [`request::call`] writes the token ids into that call, and media where there are some, and
//!    [`engine`] sends it ([`engine::Client`]).
//! 5. As the engine answers, [`engine::events`] cuts the bytes into events, [`request::response`]
//!    takes those that have arrived to the plugin's converter, and takes its chunks back. The
//!    converter may ask for a further step; images and videos pass the plugin by ([`media`]).
//! 6. [`plane`] puts each chunk on the wire as it is.
//!
//! If the client leaves, the response sees it, closes the connection to the engine and sends the
//! plugin's abort call. Whatever fails on the way is a [`failure::Failure`], and reaches the client
//! as Dynamo's error of that class.
//!
//! # The life of a worker
//!
//! [`run`](host::run) in [`host`]: load the plugins ([`locate`] finds them, [`loading`]
//! says by what), ask them to `prepare`,
//! join Dynamo, start the engine or attach to one ([`backend`]). That is the [`site`], which all
//! plugins share. Each then becomes a [`station`]: gather the engine's [`report`], `configure` (which
//! makes a [`version`] of it), [`warm_up`], serve, pass a health check through plugin and engine,
//! open the plugin's own [`routes`], publish the model card ([`registration`]). When the engine dies
//! the worker leaves discovery at once; when it is back, it is configured, warmed up and checked again
//! and rejoins. [`service`] keeps it out of discovery while anything does: no engine, one that hangs,
//! an operator's route. A node of an engine that another node leads has no stations: it is a
//! [`follower`].
//!
//! # Another version of a plugin
//!
//! [`swap`]: while the engine runs and requests are in flight, a plugin's next version is had, tried
//! and let serve. A request keeps the version it began with.
//!
//! # One shutdown
//!
//! [`shutdown`]: SIGTERM or SIGINT. The worker leaves discovery ([`plane::Served::withdraw`]),
//! keeps serving through the grace period, waits for what is in flight
//! ([`plane::Served::drain`]), hands responses that outlive the drain over to other workers
//! ([`service::Service::hand_over`]), closes the endpoint, stops the engine
//! ([`engine::Engine::shutdown`]), closes Dynamo, and exits 0. A second signal exits at once; the
//! engine's guard then kills the engine.

pub use {
    dynamo_host_engine as engine, dynamo_host_failure as failure, dynamo_host_plane as plane,
    dynamo_host_plugin as plugin, dynamo_host_request as request,
};

pub mod adapters;
pub mod backend;
pub mod cli;
pub mod control;
pub mod door;
pub mod error;
pub mod follower;
pub mod handler;
pub mod host;
pub mod kv;
pub mod loading;
pub mod locate;
pub mod media;
pub mod metrics;
pub mod model;
pub mod peers;
pub mod registration;
pub mod report;
pub mod routes;
pub mod service;
pub mod shutdown;
pub mod site;
pub mod station;
pub mod swap;
pub mod taints;
pub mod topology;
pub mod version;
pub mod warm_up;
