//! The import `peers`: requests to other workers.

use async_trait::async_trait;
use bytes::Bytes;
use wasmtime::component::Resource;

use crate::Failure;
use crate::bindings::{peers, types};
use crate::handles::Reply;
use crate::imports::State;

/// Sends a plugin's requests to other workers.
#[async_trait]
pub trait PeerCalls: Send + Sync + 'static {
    /// Sends `body`, a JSON document, to a worker of `endpoint`, on behalf of the request Dynamo
    /// knows as `id`.
    ///
    /// # Errors
    /// Nobody serves the endpoint, or the worker refuses.
    async fn open(
        &self,
        endpoint: &str,
        id: &str,
        body: Vec<u8>,
    ) -> Result<Box<dyn PeerChunks>, Failure>;
}

/// The response of another worker. Dropped before its end it gives the request up there.
#[async_trait]
pub trait PeerChunks: Send + 'static {
    /// Waits for at least one chunk, then returns what has arrived, at most `max`; none at the end.
    ///
    /// # Errors
    /// What the response failed with.
    async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, Failure>;
}

impl peers::Host for State {
    async fn open(
        &mut self,
        endpoint: String,
        body: Vec<u8>,
    ) -> wasmtime::Result<Result<Resource<Reply>, types::Failure>> {
        let Some(calls) = self.hooks.peers.clone() else {
            let failure =
                Failure::unavailable("there are no other workers yet to send a request to");
            return Ok(Err(failure.into()));
        };
        let body = self.held.put_back(body);
        let opening = calls.open(&endpoint, &self.request, body);
        Ok(match self.deadline.suspend(opening).await {
            Ok(reply) => Ok(self.table.push(Reply(reply))?),
            Err(failure) => Err(failure.into()),
        })
    }
}
