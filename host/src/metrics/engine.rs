//! The engine's own numbers in `/metrics`, fetched when somebody asks for ours.

use std::time::Duration;

use dynamo_host_engine::Client;
use dynamo_host_plugin::Exposition;
use prometheus::IntCounter;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::exposition::adopt;

/// Longest the engine may take: Prometheus gives us ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer, in bytes. That of SGLang has some 100 KB.
const ANSWER: usize = 16 << 20;

/// Where an engine shows its numbers.
pub struct EngineMetrics {
    client: Client,
    exposition: Exposition,
    failures: IntCounter,
    /// What Dynamo says of the place of each number (`register_engine_metrics_callback`).
    labels: Vec<(String, String)>,
}

impl EngineMetrics {
    /// Those of the engine behind `client`, with these labels where they lack them; `failures` counts
    /// the times they could not be had.
    pub fn new(
        client: Client,
        exposition: Exposition,
        failures: IntCounter,
        labels: Vec<(String, String)>,
    ) -> Self {
        EngineMetrics { client, exposition, failures, labels }
    }

    /// The numbers of the moment, in Prometheus' text format; nothing from an engine that is not
    /// there, or does not show any. For Dynamo's system server, which waits for its answer without
    /// letting others run: so this makes room for them.
    pub fn text(&self) -> String {
        let Ok(runtime) = Handle::try_current() else { return String::new() };
        match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| runtime.block_on(self.fetch()))
            }
            // There is nobody who could run meanwhile.
            _ => String::new(),
        }
    }

    async fn fetch(&self) -> String {
        let Exposition { path, prefix } = &self.exposition;
        match self.client.get(path, PATIENCE, ANSWER).await {
            Ok((200..=299, body)) => adopt(&String::from_utf8_lossy(&body), prefix, &self.labels),
            // It was started without them.
            Ok((404, _)) => String::new(),
            Ok((status, _)) => self.failed(&format!("{path} answered {status}")),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn failed(&self, why: &str) -> String {
        tracing::debug!("no numbers of the engine's: {why}");
        self.failures.inc();
        String::new()
    }
}
