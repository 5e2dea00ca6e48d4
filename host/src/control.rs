//! The engine as a plugin's imports and the report see it: whole answers to control calls.

use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_engine::{Call, Client, Framing};
use dynamo_host_plugin::{EngineControl, EngineReply, Failure, Kind};

/// Longest answer to a control call, in bytes.
const MAX_REPLY: usize = 16 << 20;

/// Longest a control call may take: an engine that loads weights takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Sends a plugin's control calls through the engine's client.
#[derive(Clone, Debug)]
pub struct Control(pub Client);

#[async_trait]
impl EngineControl for Control {
    async fn send(&self, call: dynamo_host_plugin::Call) -> Result<EngineReply, Failure> {
        let method = call
            .method
            .parse::<http::Method>()
            .map_err(|_| Failure::internal(format!("`{}` is not an HTTP method", call.method)))?;
        let call = Call {
            method,
            path: call.path,
            headers: call.headers,
            body: call.body.into(),
            framing: Framing::Whole,
        };
        let exchange = async {
            let reply = self.0.send(call).await?;
            let status = reply.status();
            Ok((status, reply.whole(MAX_REPLY).await?))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| Failure::new(Kind::DeadlineExceeded, "the engine did not answer in time"))?
            .map_err(|error: dynamo_host_engine::EngineError| {
                Failure::unavailable(error.to_string())
            })?;
        Ok(EngineReply { status, body: body.into() })
    }
}
