//! The engine as a plugin's imports and the report see it: whole answers to control calls.

use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_engine::{self as engine, Client};
use dynamo_host_plugin::{EngineControl, EngineReply, Failure, Kind};
use dynamo_host_request::call::{Kept, to_engine};

/// Longest answer to a control call, in bytes.
const MAX_REPLY: usize = 16 << 20;

/// Longest a control call may take: an engine that loads weights takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Sends a plugin's control calls through the engine's client, if the worker has an engine.
#[derive(Clone, Debug)]
pub struct Control(pub Option<Client>);

#[async_trait]
impl EngineControl for Control {
    async fn send(&self, call: dynamo_host_plugin::Call) -> Result<EngineReply, Failure> {
        let Some(client) = &self.0 else {
            return Err(Failure::unavailable("the worker has no engine"));
        };
        // A control call is about no request: nothing is kept of it, and it is sent once.
        let call = engine::Call { repeatable: false, ..to_engine(call, &Kept::default())? };
        let exchange = async {
            let reply = client.send(call).await?;
            let status = reply.status();
            Ok((status, reply.whole(MAX_REPLY).await?))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| Failure::new(Kind::DeadlineExceeded, "the engine did not answer in time"))?
            .map_err(|error: engine::EngineError| Failure::unavailable(error.to_string()))?;
        Ok(EngineReply { status, body: body.into() })
    }
}
