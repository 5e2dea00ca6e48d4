//! Prefill and decode in two engines: where they meet for a request.
//!
//! A prefill engine runs a small server, the bootstrap server, at which decode engines ask how to
//! reach it. Both get its address and a number, the room, with each request; the room tells the
//! request apart from others.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ServerInfo;
use super::errors::refused;
use crate::protocol::GenerateRequest;
use crate::{Error, Kind, Result};

/// The host at which SGLang pretends to transfer: for requests that need no other engine.
pub const FAKE_HOST: &str = "2.2.2.2";

/// Where the two engines meet for one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The prefill engine's host, an IPv6 address in brackets.
    pub bootstrap_host: String,
    /// The port of its bootstrap server.
    pub bootstrap_port: u16,
    /// The request's number.
    pub bootstrap_room: u64,
}

/// `bootstrap_info` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Info {
    bootstrap_host: Option<String>,
    bootstrap_port: Option<u16>,
    bootstrap_room: Option<u64>,
}

impl Bootstrap {
    /// What a decode worker was told: all of it must be in the request.
    ///
    /// # Errors
    /// [`Kind::Internal`] if something is missing, for clients do not write it: the frontend took
    /// the request past the prefill worker. [`Kind::InvalidRequest`] for wrong types.
    pub fn told(request: &GenerateRequest) -> Result<Self> {
        let missing = |what: &str| {
            Error::internal(format!(
                "{what}: missing; requests come to a decode worker by way of a prefill worker, so \
                 see whether one is registered"
            ))
        };
        let info = match &request.bootstrap_info {
            None | Some(Value::Null) => return Err(missing("bootstrap_info")),
            Some(info) if info.is_object() => parse(info)?,
            Some(_) => return Err(refused("bootstrap_info: not an object")),
        };
        Ok(Bootstrap {
            bootstrap_host: info
                .bootstrap_host
                .ok_or_else(|| missing("bootstrap_info.bootstrap_host"))?,
            bootstrap_port: info
                .bootstrap_port
                .ok_or_else(|| missing("bootstrap_info.bootstrap_port"))?,
            bootstrap_room: info
                .bootstrap_room
                .ok_or_else(|| missing("bootstrap_info.bootstrap_room"))?,
        })
    }

    /// What a prefill worker tells: its own address and a fresh room, unless the request says
    /// otherwise.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for wrong types.
    pub fn offered(request: &GenerateRequest, own: &Address, fresh_room: u64) -> Result<Self> {
        let info = match &request.bootstrap_info {
            Some(info) if info.is_object() => parse(info)?,
            _ => Info::default(),
        };
        Ok(Bootstrap {
            bootstrap_host: info.bootstrap_host.unwrap_or_else(|| own.host.clone()),
            bootstrap_port: info.bootstrap_port.unwrap_or(own.port),
            bootstrap_room: info.bootstrap_room.unwrap_or(fresh_room),
        })
    }
}

fn parse(info: &Value) -> Result<Info> {
    serde_path_to_error::deserialize(info)
        .map_err(|error| refused(format!("bootstrap_info.{}: {}", error.path(), error.inner())))
}

/// Where a prefill engine's bootstrap server listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// A name or an address, an IPv6 address in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// As the engine reports it: the host of `--dist-init-addr`, or else the one its HTTP server
    /// and with it the bootstrap server listen at. If that is every address of the machine, then
    /// `machine`, the address other workers know it by.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] if there is no bootstrap server.
    pub fn from_report(server: &ServerInfo, machine: &str) -> Result<Self> {
        let said = |host: &Option<String>| host.clone().filter(|host| !host.is_empty());
        let port = server.disaggregation_bootstrap_port.ok_or_else(|| {
            Error::invalid_request(
                "the engine reports no disaggregation_bootstrap_port; start it with \
                 --disaggregation-bootstrap-port",
            )
        })?;
        let host = said(&server.dist_init_addr)
            .map(|address| host_of(&address).to_owned())
            .or_else(|| said(&server.host).filter(|host| !is_everywhere(host)))
            .unwrap_or_else(|| machine.to_owned());
        let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
        Ok(Address { host: if is_bare_ipv6 { format!("[{host}]") } else { host }, port })
    }
}

/// `host:port`, `[address]:port` or either with a `scheme://` before it, without its port.
fn host_of(address: &str) -> &str {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    match address.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => address,
    }
}

fn is_everywhere(host: &str) -> bool {
    ["0.0.0.0", "::", "[::]", "*"].contains(&host)
}

/// Refuses requests for several choices: a room is for one transfer, and SGLang would make one for
/// each choice. Mirrors Dynamo's `_disagg.py`, which looks in all of these places.
///
/// # Errors
/// [`Kind::InvalidRequest`], public.
pub fn check_single_choice(request: &GenerateRequest) -> Result<()> {
    let native = request.extra_args.sglang_tito.as_ref().map(|native| &native["sampling_params"]);
    let refuse = |what: &str| {
        Err(Error::invalid_request(format!(
            "{what}: prefill and decode run in two engines here, which generate one choice only"
        )))
    };
    if request.sampling_options.n.is_some_and(|n| n != 1) {
        return refuse("sampling_options.n");
    }
    if request.n.as_ref().is_some_and(|n| !is_none_or_one(n)) {
        return refuse("n");
    }
    for (name, params) in [
        ("sampling_params", request.sampling_params.as_ref()),
        ("extra_args.sglang_tito.sampling_params", native),
    ] {
        match params {
            None | Some(Value::Null) => {}
            Some(Value::Object(params)) => {
                if params.get("n").is_some_and(|n| !is_none_or_one(n)) {
                    return refuse(&format!("{name}.n"));
                }
            }
            Some(_) => return Err(Error::invalid_request(format!("{name}: not an object"))),
        }
    }
    Ok(())
}

fn is_none_or_one(n: &Value) -> bool {
    n.is_null() || n.as_f64() == Some(1.0) || *n == Value::Bool(true)
}

/// The port of the engine's bootstrap server; 0 if it says none.
pub fn bootstrap_port(server: &ServerInfo) -> u16 {
    server.disaggregation_bootstrap_port.unwrap_or(0)
}

/// Refuses engines started for another part of the work.
///
/// # Errors
/// [`Kind::NotImplemented`], naming the mode the engine runs in and those that would do.
pub fn check_mode(server: &ServerInfo, served: &[&str]) -> Result<()> {
    let mode = server.disaggregation_mode.as_deref().unwrap_or("null");
    if served.contains(&mode) {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotImplemented,
        format!(
            "the engine runs with --disaggregation-mode {mode}; this worker type serves engines \
             with --disaggregation-mode {}",
            served.join(" or ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn request(json: Value) -> GenerateRequest {
        serde_json::from_value(json).unwrap()
    }

    fn host(server: Value, machine: &str) -> String {
        let mut server: ServerInfo = serde_json::from_value(server).unwrap();
        server.disaggregation_bootstrap_port = Some(8998);
        Address::from_report(&server, machine).unwrap().host
    }

    #[test]
    fn the_host_others_can_reach() {
        for (server, machine, known) in [
            (json!({"host": "127.0.0.1"}), "10.0.0.7", "127.0.0.1"),
            (json!({"host": "0.0.0.0"}), "10.0.0.7", "10.0.0.7"),
            (json!({"host": "::"}), "[fd00::7]", "[fd00::7]"),
            (json!({"host": "fd00::7"}), "10.0.0.7", "[fd00::7]"),
            (json!({}), "10.0.0.7", "10.0.0.7"),
            (json!({"host": "0.0.0.0", "dist_init_addr": "node-0:5000"}), "10.0.0.7", "node-0"),
            (json!({"dist_init_addr": "tcp://[fd00::7]:5000"}), "10.0.0.7", "[fd00::7]"),
        ] {
            assert_eq!(host(server, machine), known);
        }
    }

    #[test]
    fn rooms_keep_all_their_bits() {
        let room = i64::MAX as u64;
        let info = json!({"bootstrap_host": "h", "bootstrap_port": 1, "bootstrap_room": room});
        let told = Bootstrap::told(&request(json!({"bootstrap_info": info}))).unwrap();
        assert_eq!(told.bootstrap_room, room);
        assert!(serde_json::to_string(&told).unwrap().contains("9223372036854775807"));
    }

    #[test]
    fn incomplete_is_not_the_same_as_wrong() {
        let kind = |info: Value| {
            Bootstrap::told(&request(json!({"bootstrap_info": info}))).unwrap_err().kind()
        };
        assert_eq!(kind(json!(null)), Kind::Internal);
        assert_eq!(kind(json!({})), Kind::Internal);
        assert_eq!(kind(json!({"bootstrap_host": "h", "bootstrap_port": 1})), Kind::Internal);
        assert_eq!(kind(json!("10.0.0.7:8998")), Kind::InvalidRequest);
        assert_eq!(kind(json!({"bootstrap_port": 70000})), Kind::InvalidRequest);
        assert_eq!(kind(json!({"bootstrap_room": -1})), Kind::InvalidRequest);
    }

    #[test]
    fn one_choice_is_looked_for_everywhere() {
        for several in [
            json!({"sampling_options": {"n": 2}}),
            json!({"sampling_options": {"n": 0}}),
            json!({"sampling_params": {"n": 2}}),
            json!({"sampling_params": [1]}),
            json!({"n": "1"}),
            json!({"extra_args": {"sglang_tito": {"sampling_params": {"n": 3}}}}),
            json!({"extra_args": {"sglang_tito": {"sampling_params": [{}]}}}),
        ] {
            assert!(check_single_choice(&request(several)).is_err());
        }
        for one in
            [json!({}), json!({"n": 1, "sampling_options": {"n": 1}, "sampling_params": null})]
        {
            assert!(check_single_choice(&request(one)).is_ok());
        }
    }
}
