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
        let framing = Some(Framing::Ndjson);
        let asked = Seen::asked("PEER", endpoint, body(&request));
        let answer = self.answer(Seen { framing, ..asked })?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use dynamo_host_failure::Kind;
    use serde_json::json;

    use super::*;
    use crate::case::Exchange;
    use crate::script::{Pace, Script};

    fn control(reply: Value) -> (Control, Script) {
        let exchange: Exchange = serde_json::from_value(json!({"reply": reply})).unwrap();
        let script = Script::new(&[exchange], Pace::OneByOne);
        let control = Control::default();
        control.play(&script);
        (control, script)
    }

    #[tokio::test]
    async fn another_workers_chunks_are_the_events_of_an_exchange() {
        let reply = json!({"framing": "ndjson", "events": [{"a": 1}, null], "end": "broken"});
        let (control, script) = control(reply);
        let mut reply = control.open("ns.c.e", "r", b"{\"n\":1}".to_vec()).await.unwrap();
        assert_eq!(PeerChunks::next(&mut *reply, 8).await.unwrap(), [&b"\x81\xa1a\x01"[..]]);
        assert_eq!(PeerChunks::next(&mut *reply, 8).await.unwrap(), [&b"\xc0"[..]]);
        let broken = PeerChunks::next(&mut *reply, 8).await.unwrap_err();
        assert_eq!(broken.kind, Kind::Unavailable);
        let seen = &script.seen()[0];
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("PEER", "ns.c.e"));
        assert_eq!(seen.body, json!({"n": 1}));
    }

    #[tokio::test]
    async fn a_status_that_is_not_2xx_is_a_refusal() {
        let (control, _) = control(json!({"status": 503, "body": "nobody there"}));
        let refused = control.open("ns.c.e", "r", b"{}".to_vec()).await.err().unwrap();
        assert_eq!((refused.kind, refused.message.as_str()), (Kind::Unavailable, "nobody there"));
    }
}
