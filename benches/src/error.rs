//! Why a comparison came to nothing.

use dynamo_host_engine::EngineError;
use dynamo_host_failure::Failure;
use dynamo_host_plane::{InvalidEndpoint, PlaneError};

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Plane(#[from] PlaneError),
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Runtime(#[from] dynamo_host_plugin::RuntimeError),
    #[error(transparent)]
    Relay(#[from] dynamo_host_kv::RelayError),
    #[error(transparent)]
    Counters(#[from] prometheus::Error),
    #[error(transparent)]
    Zmq(#[from] zmq::Error),
    /// A request failed: what is compared must work.
    #[error("{subject}: {failure}")]
    Request { subject: String, failure: Failure },
    /// A response was not what was asked for.
    #[error("{subject} answered {got} in place of {wanted}")]
    Short { subject: String, got: usize, wanted: usize },
    /// A worker did not come up.
    #[error("{subject} does not serve: its output is in {log}")]
    NotServing { subject: String, log: String },
}
