//! A node of an engine that spans several, and that another node leads (SGLang's `--node-rank` over 0
//! of `--nnodes`).
//!
//! Requests go to the leader. Here runs a part of the engine, and if data-parallel ranks have their KV
//! caches here, routers hear of them from here, under the leader's id. (`handle_non_leader_node` of
//! `dynamo.sglang` 1.6.1's `publisher.py`.)

use std::sync::Arc;
use std::time::Duration;

use dynamo_host_kv::Source;
use dynamo_host_plane::EndpointId;
use dynamo_host_plugin::{Contact, Plugin};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use crate::cli::EngineWords;
use crate::error::HostError;
use crate::kv::{Facts, KvRelay};
use crate::site::{Site, plugin_failed};
use crate::{registration, station};

/// Between looks at discovery: who leads, and whether it is still the same.
const LOOK: Duration = Duration::from_secs(2);

/// What of the engine's layout its flags say, by the names of SGLang's own report and of its flags. An
/// engine that follows has no server that reports.
const NUMBERS: [(&str, &[&str]); 8] = [
    ("nnodes", &["nnodes"]),
    ("node_rank", &["node-rank"]),
    ("dp_size", &["data-parallel-size", "dp-size", "dp"]),
    ("attn_dp_size", &["attn-dp-size"]),
    ("tp_size", &["tensor-parallel-size", "tp-size", "tp"]),
    ("dcp_size", &["dcp-size"]),
    ("page_size", &["page-size"]),
    ("disaggregation_bootstrap_port", &["disaggregation-bootstrap-port"]),
];
const TEXTS: [(&str, &[&str]); 5] = [
    ("dist_init_addr", &["dist-init-addr", "nccl-init-addr"]),
    ("kv_events_config", &["kv-events-config"]),
    ("disaggregation_mode", &["disaggregation-mode"]),
    ("ep_join_mode", &["ep-join-mode"]),
    ("forward_pass_metrics_ipc_name", &["forward-pass-metrics-ipc-name"]),
];
const SWITCHES: [(&str, &str); 2] = [
    ("enable_dp_attention", "enable-dp-attention"),
    ("enable_forward_pass_metrics", "enable-forward-pass-metrics"),
];

/// What the words an engine is started with say of its layout, if it is one that follows.
pub fn layout(words: &[String]) -> Option<Map<String, Value>> {
    let mut words = EngineWords::new(words.to_vec());
    words.read_config();
    let given = |flags: &[&str]| flags.iter().find_map(|flag| words.value(flag));
    let numbers = NUMBERS.iter().filter_map(|(name, flags)| {
        let number: u32 = given(flags)?.parse().ok()?;
        Some(((*name).to_owned(), number.into()))
    });
    let texts =
        TEXTS.iter().filter_map(|(name, flags)| Some(((*name).to_owned(), given(flags)?.into())));
    let switches = SWITCHES.iter().filter(|(_, flag)| words.has(flag));
    let switches = switches.map(|(name, _)| ((*name).to_owned(), true.into()));
    let layout: Map<String, Value> = numbers.chain(texts).chain(switches).collect();
    let over = |name: &str, least: u64| layout.get(name).and_then(Value::as_u64) > Some(least);
    (over("nnodes", 1) && over("node_rank", 0)).then_some(layout)
}

/// A worker's part of an engine that another worker leads.
pub struct Follower {
    site: Arc<Site>,
    endpoint: EndpointId,
    /// What there is to relay; none if another node has it all.
    facts: Option<Facts>,
    /// By what the engine's nodes know each other.
    group: Option<Value>,
    /// What routers hear of the ranks here, and of which leader's.
    kv: Mutex<Option<(u64, KvRelay)>>,
}

impl Follower {
    /// Takes part in the engine of `layout`, which `plugin` would meet by `contact`.
    ///
    /// # Errors
    /// The plugin cannot say how it would stand in discovery.
    pub async fn open(
        site: &Arc<Site>,
        plugin: Plugin,
        contact: Option<&Contact>,
        layout: &Map<String, Value>,
    ) -> Result<Self, HostError> {
        let arguments = &site.arguments;
        plugin.connect(site.hooks(None));
        let mut report = site.backend.report(None, arguments).await;
        let says = Value::from(layout.clone()).to_string().into_bytes();
        let asked = contact.map(|contact| contact.reports.clone()).unwrap_or_default();
        report.answers = asked.into_iter().map(|path| (path, says.clone())).collect();
        let settings = arguments.settings().to_string().into_bytes();
        let configured = plugin.configure(&settings, report).await;
        let failed = |failure| plugin_failed(&plugin, "configure", failure);
        let registration = configured.map_err(failed)?.registration;
        let mut config =
            registration::card(&registration, arguments).map_err(failed)?.runtime_config;
        let mut facts = station::kv_facts(&plugin, &mut config)?;
        if let Some(facts) = &mut facts {
            facts.sources.retain(Source::has_events);
            // The leader knows how full its ranks are.
            facts.sources.iter_mut().for_each(|source| source.load = None);
        }
        let facts = facts.filter(|facts| !facts.sources.is_empty());
        let group = group(&Value::Object(config)).cloned();
        let endpoint = arguments.endpoint(0, &registration.component);
        let labels = site.plane.labels(&endpoint, &registration::model(arguments));
        station::show_engine(site, contact, labels);
        tracing::info!("a part of the engine of {endpoint}: another node takes its requests");
        Ok(Follower { site: site.clone(), endpoint, facts, group, kv: Mutex::default() })
    }

    /// Relays what the ranks here say, for whoever leads. Never ends.
    pub async fn follow(&self) {
        loop {
            match self.look().await {
                Ok(()) => {}
                Err(error) => tracing::error!("nothing is said of the KV cache: {error}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts the relay, or starts it anew for another leader.
    async fn look(&self) -> Result<(), HostError> {
        let Some(facts) = &self.facts else { return Ok(()) };
        let Some((leader, block_size)) = self.leader().await? else { return Ok(()) };
        let mut kv = self.kv.lock().await;
        if kv.as_ref().is_some_and(|(of, _)| *of == leader) {
            return Ok(());
        }
        if let Some((_, relay)) = kv.take() {
            relay.stop().await;
        }
        tracing::info!(leader, "the leader is there");
        let block_size = block_size.unwrap_or(facts.block_size);
        let facts = Facts { worker_id: Some(leader), block_size, ..facts.clone() };
        let metrics = self.site.metrics.as_deref();
        let model = registration::model(&self.site.arguments);
        let plane = &self.site.plane;
        let relay = KvRelay::start(plane, &self.endpoint, &model, facts, None, metrics).await?;
        *kv = Some((leader, relay));
        Ok(())
    }

    /// The worker that leads, and its block size; none while there is none. Without an address at which
    /// the nodes meet, it is the only worker at the endpoint.
    async fn leader(&self) -> Result<Option<(u64, Option<u32>)>, HostError> {
        let ours = self.group.as_ref();
        let workers = self.site.plane.workers(&self.endpoint).await?;
        let leaders = workers.iter().filter(|(_, card)| group(&card["runtime_config"]) == ours);
        let mut leaders = leaders.map(|(id, card)| {
            let block_size = card["kv_cache_block_size"].as_u64();
            (*id, block_size.and_then(|size| u32::try_from(size).ok()))
        });
        let leader = leaders.next();
        Ok(leader.filter(|_| leaders.next().is_none()))
    }

    /// The engine has ended.
    pub async fn lose_engine(&self) {
        if let Some((_, relay)) = &*self.kv.lock().await {
            relay.engine_is_lost();
        }
    }

    /// The engine is up again.
    pub async fn regain_engine(&self) {
        if let Some((_, relay)) = &*self.kv.lock().await {
            relay.engine_is_back();
        }
    }

    /// Stands again on a plane that was renewed.
    ///
    /// # Errors
    /// Dynamo does not take what routers hear of the KV cache.
    pub async fn renew(&self) -> Result<(), HostError> {
        if let Some((_, relay)) = &*self.kv.lock().await {
            relay.renew().await?;
        }
        Ok(())
    }

    /// Tells routers nothing more.
    pub async fn leave(&self) {
        if let Some((_, relay)) = self.kv.lock().await.take() {
            relay.stop().await;
        }
    }
}

/// By what the nodes of an engine know each other, as a card's `runtime_config` has it.
fn group(runtime_config: &Value) -> Option<&Value> {
    runtime_config.pointer("/runtime_data/sglang_worker_group_id")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn of(line: &str) -> Option<Value> {
        let words: Vec<_> = line.split_whitespace().map(String::from).collect();
        layout(&words).map(Value::Object)
    }

    #[test]
    fn a_node_behind_the_first_follows() {
        let line = "--nnodes 2 --node-rank 1 --dp 4 --page-size=16 --enable-dp-attention \
                    --dist-init-addr 10.0.0.1:5000 --trust-remote-code";
        let expected = json!({
            "nnodes": 2, "node_rank": 1, "dp_size": 4, "page_size": 16,
            "enable_dp_attention": true, "dist_init_addr": "10.0.0.1:5000",
        });
        assert_eq!(of(line), Some(expected));
    }

    #[test]
    fn a_leader_and_an_engine_on_one_node_do_not() {
        for line in [
            "",
            "--nnodes 2",
            "--nnodes 2 --node-rank 0",
            "--node-rank 1",
            "--nnodes 1 --node-rank 1",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
