//! Which of Dynamo's backends a plane uses.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{PlaneError, RouteToken};

/// Where workers and frontends find each other (`DYN_DISCOVERY_BACKEND`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// A directory both sides can see, which needs no server: the one given, or `DYN_FILE_KV`, or
    /// `dynamo_store_kv` in the temporary directory. A record that its owner no longer touches
    /// vanishes after 10 s.
    File(Option<PathBuf>),
    /// etcd v3 at `ETCD_ENDPOINTS`, one lease a process (`ETCD_LEASE_TTL`, 30 s).
    Etcd,
    /// Custom resources, one a pod (`POD_NAME`, `POD_NAMESPACE`, `POD_UID`).
    Kubernetes,
    /// The memory of this process: for tests, nobody else can see it.
    Mem,
}

impl Default for Discovery {
    /// Files. Dynamo's own default is etcd; a host that starts on a laptop must not need a server.
    fn default() -> Self {
        Discovery::File(None)
    }
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Discovery::File(_) => "file",
            Discovery::Etcd => "etcd",
            Discovery::Kubernetes => "kubernetes",
            Discovery::Mem => "mem",
        })
    }
}

impl FromStr for Discovery {
    type Err = PlaneError;

    fn from_str(name: &str) -> Result<Self, PlaneError> {
        match name {
            "file" => Ok(Discovery::File(None)),
            "etcd" => Ok(Discovery::Etcd),
            "kubernetes" => Ok(Discovery::Kubernetes),
            "mem" => Ok(Discovery::Mem),
            other => Err(unknown("discovery backend", other, "file, etcd, kubernetes, mem")),
        }
    }
}

/// How requests reach workers (`DYN_REQUEST_PLANE`). Responses go back over TCP either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestPlane {
    /// Directly, to the listener this process opens (`DYN_TCP_RPC_HOST`, `DYN_TCP_RPC_PORT`).
    #[default]
    Tcp,
    /// Through the NATS server at `NATS_SERVER`.
    Nats,
}

impl fmt::Display for RequestPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestPlane::Tcp => "tcp",
            RequestPlane::Nats => "nats",
        })
    }
}

impl FromStr for RequestPlane {
    type Err = PlaneError;

    fn from_str(name: &str) -> Result<Self, PlaneError> {
        match name {
            "tcp" => Ok(RequestPlane::Tcp),
            "nats" => Ok(RequestPlane::Nats),
            other => Err(unknown("request plane", other, "tcp, nats")),
        }
    }
}

/// How workers publish events such as KV cache changes (`DYN_EVENT_PLANE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventPlane {
    /// From a socket of this process to each subscriber; no server.
    #[default]
    Zmq,
    /// Through the NATS server at `NATS_SERVER`.
    Nats,
}

impl fmt::Display for EventPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EventPlane::Zmq => "zmq",
            EventPlane::Nats => "nats",
        })
    }
}

impl FromStr for EventPlane {
    type Err = PlaneError;

    fn from_str(name: &str) -> Result<Self, PlaneError> {
        match name {
            "zmq" => Ok(EventPlane::Zmq),
            "nats" => Ok(EventPlane::Nats),
            other => Err(unknown("event plane", other, "zmq, nats")),
        }
    }
}

/// Which backends to use. Everything else about them comes from Dynamo's own environment
/// variables (`ETCD_ENDPOINTS`, `NATS_SERVER`, `DYN_TCP_RPC_HOST`, `DYN_SYSTEM_PORT`, ...).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaneConfig {
    /// Where workers and frontends find each other.
    pub discovery: Discovery,
    /// How requests arrive.
    pub request_plane: RequestPlane,
    /// How events leave.
    pub event_plane: EventPlane,
    /// What calls of routes that change something must carry.
    pub route_token: Option<RouteToken>,
}

fn unknown(what: &'static str, value: &str, valid: &'static str) -> PlaneError {
    PlaneError::UnknownName { what, value: value.to_owned(), valid }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself() {
        for name in ["file", "etcd", "kubernetes", "mem"] {
            assert_eq!(name.parse::<Discovery>().unwrap().to_string(), name);
        }
        for name in ["tcp", "nats"] {
            assert_eq!(name.parse::<RequestPlane>().unwrap().to_string(), name);
        }
        for name in ["zmq", "nats"] {
            assert_eq!(name.parse::<EventPlane>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = "consul".parse::<Discovery>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown discovery backend 'consul': use one of file, etcd, kubernetes, mem"
        );
        assert!("".parse::<RequestPlane>().is_err());
    }
}
