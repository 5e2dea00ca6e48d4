//! Other workers as a case scripts them: a request to one is an exchange like one with the engine,
//! with the method `PEER` and the endpoint as its path.

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_plugin::{Failure, PeerCalls, PeerChunks};
use dynamo_host_request::Reply;
use serde_json::Value;

use crate::case::Framing;
use crate::script::{Answer, Control, Seen, body};
use crate::values;

#[async_trait]
impl PeerCalls for Control {
    async fn open(
        &self,
        endpoint: &str,
        _id: &str,
        request: Vec<u8>,
    ) -> Result<Box<dyn PeerChunks>, Failure> {
        let answer = self.answer(Seen {
            method: "PEER".into(),
            path: endpoint.into(),
            headers: Vec::new(),
            body: body(&request),
            framing: Some(Framing::Ndjson),
        })?;
        match answer.status() {
            200..=299 => Ok(Box::new(answer)),
            _ => {
                let why = answer.whole(usize::MAX).await.map_err(unavailable)?;
                Err(Failure::unavailable(String::from_utf8_lossy(&why)))
            }
        }
    }
}

#[async_trait]
impl PeerChunks for Answer {
    async fn next(&mut self, max: usize) -> Result<Vec<Bytes>, Failure> {
        let mut events = Vec::new();
        Reply::next(self, &mut events, max).await.map_err(unavailable)?;
        events.iter().map(|event| chunk(event)).collect()
    }
}

fn chunk(event: &[u8]) -> Result<Bytes, Failure> {
    let value: Value = serde_json::from_slice(event).map_err(|error| {
        Failure::internal(format!("the case: a chunk of another worker is no JSON: {error}"))
    })?;
    values::to_msgpack(&value).map(Bytes::from).map_err(Failure::internal)
}

fn unavailable(error: dynamo_host_engine::EngineError) -> Failure {
    Failure::unavailable(error.to_string())
}
