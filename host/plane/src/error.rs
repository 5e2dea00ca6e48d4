//! What can go wrong between the host and Dynamo's servers.

use std::io;

use crate::{EndpointId, InvalidEndpoint};

/// Why the plane could not do what the host asked. (What happens to a single request is a
/// `Failure` instead.)
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// A backend nobody knows.
    #[error("unknown {what} '{value}': use one of {valid}")]
    UnknownName {
        /// What was being named.
        what: &'static str,
        /// The name given.
        value: String,
        /// The names there are.
        valid: &'static str,
    },
    /// The name of an endpoint.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// `dynamo-runtime` keeps the port in 16 signed bits.
    #[error("DYN_SYSTEM_PORT={value} does not work: use -1 (off), 0 (any free port) or 1 to 32767")]
    SystemPort {
        /// What the variable held.
        value: String,
    },
    /// Another environment variable of Dynamo's.
    #[error("Dynamo's settings cannot be used: {reason}")]
    Settings {
        /// Dynamo's own words, which name the variable.
        reason: String,
    },
    /// The system server has no socket.
    #[error(
        "the system server cannot listen on {address}: {source}. Choose another DYN_SYSTEM_PORT or \
         DYN_SYSTEM_HOST"
    )]
    SystemServer {
        /// Host and port as configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A server the plane depends on cannot be reached.
    #[error(
        "cannot join {backend} discovery over the {request_plane} request plane: {reason}. {advice}"
    )]
    Connect {
        /// The discovery backend.
        backend: String,
        /// The request plane.
        request_plane: String,
        /// Dynamo's own words.
        reason: String,
        /// Which settings say where the servers are.
        advice: &'static str,
    },
    /// The endpoint cannot receive requests.
    #[error(
        "{endpoint} cannot listen for requests: {reason}. Check DYN_TCP_RPC_HOST and \
         DYN_TCP_RPC_PORT (or NATS_SERVER), and that the port is free"
    )]
    Listen {
        /// The endpoint.
        endpoint: EndpointId,
        /// Dynamo's own words.
        reason: String,
    },
    /// Events do not leave.
    #[error(
        "events '{topic}' of {endpoint} cannot be published: {reason}. Check DYN_EVENT_PLANE_HOST \
         (or NATS_SERVER)"
    )]
    Event {
        /// What kind of events.
        topic: String,
        /// The endpoint they are of.
        endpoint: EndpointId,
        /// Dynamo's own words.
        reason: String,
    },
    /// Discovery refused a record, or could not be reached while it was written.
    #[error("cannot {action} of {endpoint} in discovery: {reason}")]
    Record {
        /// What was being done to which record.
        action: &'static str,
        /// The endpoint the record belongs to.
        endpoint: EndpointId,
        /// Dynamo's own words.
        reason: String,
    },
}

/// An error of `dynamo-runtime` with its causes, on one line.
pub(crate) fn words(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
