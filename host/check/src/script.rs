//! An engine that answers from a case, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_plugin::{self as plugin, EngineControl, EngineReply, Failure};
use dynamo_host_request::call::{Kept, to_engine};
use dynamo_host_request::{Exchange, Reply};
use serde_json::Value;

use crate::case::{self, End, Framing};
use crate::form;

/// One call that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// As JSON; a string if it is none.
    pub(crate) body: Value,
    /// None for a control call, whose answer is always taken whole.
    pub(crate) framing: Option<Framing>,
    /// How long the host waited before it.
    pub(crate) waited: Duration,
}

impl Seen {
    /// What the plugin has somebody do in the middle of a call.
    pub(crate) fn asked(method: &str, path: impl Into<String>, body: Value) -> Self {
        Seen {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body,
            framing: None,
            waited: Duration::ZERO,
        }
    }
}

/// How many events arrive together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each by itself.
    OneByOne,
    /// As many as the host takes.
    AllAtOnce,
}

/// A scripted engine. Clones are one engine.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    state: Arc<Mutex<State>>,
    pace: Pace,
}

#[derive(Debug, Default)]
struct State {
    /// Answers not given yet; none for an engine that cannot be reached.
    answers: VecDeque<Option<Answer>>,
    seen: Vec<Seen>,
    /// How long the host waits before the next call.
    waits: Duration,
}

impl Script {
    pub(crate) fn new(exchanges: &[case::Exchange], pace: Pace) -> Self {
        let answers = exchanges.iter().map(|exchange| Answer::new(&exchange.reply, pace)).collect();
        Script { state: Arc::new(Mutex::new(State { answers, ..State::default() })), pace }
    }

    /// The calls that came so far, in their order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Notes the call and gives the next answer. A call the case has no answer for gets an empty
    /// one: if it is not one of the expected aborts, it is reported.
    fn answer(&self, seen: Seen) -> Result<Answer, EngineError> {
        let mut state = self.state();
        state.seen.push(seen);
        match state.answers.pop_front() {
            Some(Some(answer)) => Ok(answer),
            Some(None) => Err(EngineError::Unreachable {
                address: "the scripted engine".into(),
                why: "the case says so".into(),
            }),
            None => Ok(Answer {
                status: 200,
                content_type: None,
                events: VecDeque::new(),
                end: End::Complete,
                pace: self.pace,
            }),
        }
    }

    /// What the plugin has the host do, as a call with the method `HOST`: the status and the body
    /// the case answers it with, which is JSON or else a string.
    pub(crate) async fn ask_host(&self, path: &str, asked: Value) -> Result<(u16, Value), Failure> {
        let answer = self.answer(Seen::asked("HOST", path, asked));
        let answer = answer.map_err(|error| Failure::unavailable(error.to_string()))?;
        let status = answer.status();
        let whole = answer.whole(usize::MAX).await;
        Ok((status, body(&whole.map_err(|error| Failure::unavailable(error.to_string()))?)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange for Script {
    type Reply = Answer;

    async fn send(&self, call: Call) -> Result<Answer, EngineError> {
        let mut seen = seen(call);
        seen.waited = std::mem::take(&mut self.state().waits);
        self.answer(seen)
    }

    /// Nothing is timed here: the wait is noted, and over.
    async fn wait(&self, time: Duration) {
        self.state().waits = time;
    }
}

fn seen(call: Call) -> Seen {
    let headers = lower_case(call.headers);
    let content_type = headers.iter().find(|(name, _)| name == "content-type");
    let form = content_type.and_then(|(_, value)| form::read(value, &call.body));
    Seen {
        body: form.unwrap_or_else(|| body(&call.body)),
        headers,
        framing: Some(match call.framing {
            dynamo_host_engine::Framing::Sse => Framing::Sse,
            dynamo_host_engine::Framing::Ndjson => Framing::Ndjson,
            dynamo_host_engine::Framing::Whole => Framing::Whole,
        }),
        ..Seen::asked(call.method.as_str(), call.path, Value::Null)
    }
}

fn lower_case(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

pub(crate) fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

/// One scripted answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    content_type: Option<String>,
    events: VecDeque<Bytes>,
    end: End,
    pace: Pace,
}

impl Answer {
    fn new(reply: &case::Reply, pace: Pace) -> Option<Self> {
        if reply.unreachable {
            return None;
        }
        if let Some(medium) = &reply.medium {
            // What is not base64 is refused where the case is read.
            let bytes = Bytes::from(medium.bytes().unwrap_or_default());
            let content_type = Some(medium.content_type.clone());
            let events = VecDeque::from([bytes]);
            return Some(Answer {
                status: reply.status,
                content_type,
                events,
                end: reply.end,
                pace,
            });
        }
        let pieces = reply.events.iter().flatten().chain(&reply.body);
        // A body that is empty is no event, as on the wire.
        let events = pieces.map(event).filter(|event| !event.is_empty() || reply.body.is_none());
        let events = events.collect();
        Some(Answer { status: reply.status, content_type: None, events, end: reply.end, pace })
    }

    fn end(&self) -> Result<(), EngineError> {
        match self.end {
            End::Complete => Ok(()),
            End::Broken => Err(EngineError::Closed { why: "the case says so".into() }),
        }
    }
}

fn event(value: &Value) -> Bytes {
    match value {
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    }
}

impl Reply for Answer {
    fn status(&self) -> u16 {
        self.status
    }

    fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        match self.events.pop_front() {
            Some(event) => Ok(Some(event)),
            None => self.end().map(|()| None),
        }
    }

    async fn next(&mut self, batch: &mut Vec<Bytes>, max: usize) -> Result<usize, EngineError> {
        let take = match self.pace {
            Pace::OneByOne => 1,
            Pace::AllAtOnce => max,
        };
        let count = take.min(self.events.len());
        batch.extend(self.events.drain(..count));
        if count == 0 {
            self.end()?;
        }
        Ok(count)
    }

    async fn whole(self, max_bytes: usize) -> Result<Bytes, EngineError> {
        self.end()?;
        let body: Vec<u8> = self.events.into_iter().flatten().collect();
        match body.len() {
            length if length > max_bytes => Err(EngineError::TooLarge { max: max_bytes }),
            _ => Ok(body.into()),
        }
    }
}

/// Whatever a plugin asks for in the middle of a call: control calls to the engine, other workers,
/// media. A plugin is connected once, and meets an engine of
/// its own in each case.
#[derive(Clone, Default)]
pub(crate) struct Control {
    current: Arc<Mutex<Option<Script>>>,
}

impl Control {
    pub(crate) fn play(&self, script: &Script) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(script.clone());
    }

    /// Notes what the plugin asks for in the middle of a call, and gives the case's answer.
    pub(crate) fn answer(&self, seen: Seen) -> Result<Answer, Failure> {
        let script = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(script) = script else {
            return Err(Failure::unavailable("there is no engine yet"));
        };
        script.answer(seen).map_err(|error| Failure::unavailable(error.to_string()))
    }
}

#[async_trait]
impl EngineControl for Control {
    async fn send(&self, call: plugin::Call) -> Result<EngineReply, Failure> {
        let call = to_engine(call, &Kept::default())?;
        let answer = self.answer(Seen { framing: None, ..seen(call) })?;
        let status = answer.status();
        let body = answer.whole(usize::MAX).await;
        let body = body.map_err(|error| Failure::unavailable(error.to_string()))?;
        Ok(EngineReply { status, body: body.into() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn script(replies: &[Value], pace: Pace) -> Script {
        let exchanges: Vec<case::Exchange> = replies
            .iter()
            .map(|reply| serde_json::from_value(json!({"reply": reply})).unwrap())
            .collect();
        Script::new(&exchanges, pace)
    }

    #[tokio::test]
    async fn events_come_at_the_pace_asked_for() {
        let reply = json!({"framing": "sse", "events": [{"a": 1}, "[DONE]", ""], "end": "broken"});
        for (pace, counts) in [(Pace::OneByOne, vec![1, 1, 1]), (Pace::AllAtOnce, vec![3])] {
            let mut answer = script(std::slice::from_ref(&reply), pace)
                .send(Call::get("/generate"))
                .await
                .unwrap();
            let mut batch = Vec::new();
            for count in counts {
                assert_eq!(answer.next(&mut batch, 64).await.unwrap(), count);
            }
            assert_eq!(batch, ["{\"a\":1}", "[DONE]", ""]);
            assert!(matches!(answer.next(&mut batch, 64).await, Err(EngineError::Closed { .. })));
        }
    }

    #[tokio::test]
    async fn answers_are_given_in_order_and_calls_are_noted() {
        let script = script(
            &[json!({"status": 400, "body": {"error": 1}}), json!({"unreachable": true})],
            Pace::OneByOne,
        );
        let mut call = Call::get("/a");
        call.headers.push(("TraceParent".into(), "00".into()));
        call.body = Bytes::from_static(b"{\"room\":18446744073709551615}");
        let answer = script.send(call).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.whole(100).await.unwrap(), "{\"error\":1}");
        let gone = script.send(Call::get("/b")).await;
        assert!(matches!(gone, Err(EngineError::Unreachable { .. })));
        let unscripted = script.send(Call::get("/c")).await.unwrap();
        assert_eq!(unscripted.whole(100).await.unwrap(), "");

        let seen = script.seen();
        assert_eq!(seen[0].body, json!({"room": u64::MAX}));
        assert_eq!(seen[0].headers, [("traceparent".to_owned(), "00".to_owned())]);
        assert_eq!((seen[1].path.as_str(), &seen[1].body), ("/b", &json!("")));
        assert_eq!(seen.len(), 3);
    }

    #[tokio::test]
    async fn control_calls_meet_the_engine_of_the_case() {
        let control = Control::default();
        let call = || plugin::Call {
            method: "GET".into(),
            path: "/get_load".into(),
            headers: Vec::new(),
            body: Vec::new(),
            tokens_as: None,
            inlays: Vec::new(),
            encoding: plugin::Encoding::Plain,
            framing: plugin::Framing::Whole,
            lift: None,
        };
        assert!(control.send(call()).await.is_err());
        let script = script(&[json!({"body": "busy", "status": 503})], Pace::OneByOne);
        control.play(&script);
        let reply = control.send(call()).await.unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (503, b"busy".as_slice()));
        assert_eq!(script.seen()[0].path, "/get_load");
    }
}
