//! Where the engine says what its KV cache holds, for the host to relay.
//!
//! Mirrors `DynamoSglangPublisher.init_kv_event_publish` of Dynamo 1.6.1 and the sockets of SGLang's
//! `ZmqEventPublisher`, one a data-parallel rank, at the configured port plus the rank.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ServerInfo;
use super::ranks::{self, Ranks};
use crate::{Error, Result};

/// Hosts that mean all addresses of the machine: the engine listens there.
const WILDCARDS: [&str; 3] = ["*", "0.0.0.0", "::"];

/// What the host relays. Stands in a registration's `runtime_config` as `kv_events`, from where the
/// host takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KvEvents {
    /// Tokens per block.
    pub block_size: u32,
    /// Tokens per page, in which the load is counted.
    pub page_size: u32,
    /// The ranks on this node.
    pub sources: Vec<Source>,
    /// Where the engine's server reports its load, if no rank publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loads: Option<&'static str>,
}

/// The sockets of a rank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The rank.
    pub rank: u32,
    /// Where it is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where the host listens instead: the engine connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<String>,
    /// Where it tells what it has told before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// Where it publishes its load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
    /// Where it publishes the metrics of its forward passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_pass: Option<String>,
}

/// `--kv-events-config`, as far as a subscriber is concerned.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    publisher: Option<String>,
    endpoint: Option<String>,
    replay_endpoint: Option<String>,
    bind: Option<bool>,
}

impl Config {
    /// None where nothing is published: no publisher, or no JSON that names one.
    fn of(server: &ServerInfo) -> Option<Self> {
        let config = server.kv_events_config.as_deref().unwrap_or_default();
        let config: Config = serde_json::from_str(config).ok()?;
        let publishes = config.publisher.as_deref().is_some_and(|publisher| publisher != "null");
        publishes.then_some(config)
    }
}

/// Whether `--kv-events-config` names a publisher. Without one, and in JSON that is none, SGLang's
/// default is to publish nothing.
pub fn published(server: &ServerInfo) -> bool {
    Config::of(server).is_some()
}

impl KvEvents {
    /// What is to be relayed of an engine on this machine, whose address is `address` (in brackets
    /// if it is IPv6). None if there is nothing: no events, another node's, no load.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) if the configuration names a publisher and no TCP
    /// endpoint.
    pub fn of(server: &ServerInfo, address: &str) -> Result<Option<Self>> {
        let ranks = Ranks::of(server);
        let config = Config::of(server).filter(|_| ranks.publishes_kv_events());
        let mut sources = Vec::new();
        for rank in ranks.local() {
            let mut source = Source { rank, ..Source::default() };
            if let Some(config) = &config {
                source.subscribe(config, address)?;
                source.load = load_endpoint(server, rank);
            }
            source.forward_pass = forward_pass_endpoint(server, rank);
            sources.push(source);
        }
        let loads = sources.iter().all(|source| source.load.is_none()).then_some("/v1/loads");
        Ok(Some(KvEvents {
            block_size: ranks::kv_cache_block_size(server),
            page_size: ranks::page_size(server),
            sources,
            loads,
        }))
    }
}

impl Source {
    fn subscribe(&mut self, config: &Config, address: &str) -> Result<()> {
        let Some(endpoint) = config.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())
        else {
            return Err(Error::invalid_request(
                "--kv-events-config names a publisher and no endpoint: add \
                 \"endpoint\": \"tcp://*:5557\"",
            ));
        };
        let (host, port) = parse(endpoint, self.rank)?;
        let wildcard = WILDCARDS.contains(&host);
        // Dynamo looks for whatever is no wildcard at this machine's own address.
        let found = match (wildcard, config.bind) {
            (true, _) => "127.0.0.1",
            (false, Some(true)) => host,
            (false, _) => address,
        };
        self.endpoint = Some(tcp(found, port));
        if config.bind == Some(false) || (!wildcard && config.bind.is_none()) {
            // By a name nothing can be bound.
            let ours = if host.parse::<IpAddr>().is_ok() { host } else { "*" };
            self.bind = Some(tcp(ours, port));
        }
        if let Some(replay) = config.replay_endpoint.as_deref().filter(|it| !it.is_empty()) {
            // The engine listens here whatever the host.
            let (host, port) = parse(replay, self.rank)?;
            let host = if WILDCARDS.contains(&host) { "127.0.0.1" } else { host };
            self.replay = Some(tcp(host, port));
        }
        Ok(())
    }
}

/// Host and port of an endpoint, the port that of `rank`.
fn parse(endpoint: &str, rank: u32) -> Result<(&str, u32)> {
    let parsed = endpoint.strip_prefix("tcp://").and_then(|address| {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, u32::from(port.parse::<u16>().ok()?)))
    });
    let (host, port) = parsed.ok_or_else(|| {
        Error::invalid_request(format!(
            "`{endpoint}` in --kv-events-config: only tcp://host:port can be relayed"
        ))
    })?;
    Ok((host, port.saturating_add(rank)))
}

fn tcp(host: &str, port: u32) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("tcp://[{host}]:{port}"),
        false => format!("tcp://{host}:{port}"),
    }
}

/// Where SGLang says that the rank publishes its load (`--load-publish-endpoint`).
fn load_endpoint(server: &ServerInfo, rank: u32) -> Option<String> {
    let described = server.kv_events.as_ref()?;
    let base = described["load_endpoint_port_base"].as_u64()?;
    let port = u32::try_from(base).ok()?.saturating_add(rank);
    Some(tcp("127.0.0.1", port))
}

fn forward_pass_endpoint(server: &ServerInfo, rank: u32) -> Option<String> {
    let published = server.enable_forward_pass_metrics == Some(true);
    let base = server.forward_pass_metrics_ipc_name.as_deref().filter(|_| published)?;
    Some(format!("{base}.{rank}"))
}

#[cfg(test)]
#[path = "kv_events/tests.rs"]
mod tests;
