//! The prefill half of a pair: what its workers find out of their engine, and how they stand in
//! Dynamo.

use super::disagg::{self, Address};
use super::registration::{Endpoint, RuntimeConfig, kv_cache_block_size};
use super::{ModelConfig, ServerInfo, Settings, health};
use crate::{Card, EngineReport, Registration, Result};

/// A prefill engine, by its own account.
#[derive(Debug)]
pub struct PrefillEngine {
    /// The server.
    pub server: ServerInfo,
    /// Its model.
    pub model: ModelConfig,
    /// Where decode engines find it.
    pub address: Address,
    /// What routers get to know; a worker adds to it.
    pub config: RuntimeConfig,
}

impl PrefillEngine {
    /// Reads the engine's report.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind), naming the setting or the engine's flag that is wrong.
    pub fn read(settings: &Settings, report: &EngineReport) -> Result<Self> {
        settings.check_takes_tokens()?;
        let server = ServerInfo::from_report(report)?;
        disagg::check_mode(&server, &["prefill"])?;
        server.check_generates_text()?;
        let model = ModelConfig::from_report(report)?;
        let address = Address::from_report(&server, &report.address)?;
        let mut config = RuntimeConfig::new(&server, &model);
        settings.describe_on(&mut config)?;
        config.disaggregated_endpoint =
            Some(Endpoint { bootstrap_host: address.host.clone(), bootstrap_port: address.port });
        Ok(PrefillEngine { server, model, address, config })
    }

    /// The worker's place in Dynamo. `registration` says what it is for.
    ///
    /// # Errors
    /// What is to be told does not serialize.
    pub fn card(&self, mut registration: Registration, report: &EngineReport) -> Result<Card> {
        registration.worker_type = "prefill".into();
        registration.needs = vec![vec!["decode".into()]];
        registration.component = "prefill".into();
        registration.kv_cache_block_size = kv_cache_block_size(&self.server);
        let mut health_check = health::tokens_payload(health::beginning_of_text(report));
        health::pretend_transfer(&mut health_check, self.address.port);
        Ok(Card::new(registration.runtime_config(&self.config)?, health_check))
    }
}
