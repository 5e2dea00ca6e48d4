//! What a plugin can have done for a request.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::dynamo::worker::calls as contract;
use crate::media::Blob;
use crate::peers::Reply;
use crate::{Error, Result};

pub use crate::bindings::dynamo::worker::calls::{Encoding, Framing, InlayForm};

/// One HTTP exchange with the engine, in the engine's own words.
#[derive(Debug)]
pub struct Call {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers beside those the host adds.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The member of `body` under which the host writes the request's token ids.
    pub tokens_as: Option<String>,
    /// Media that go into `body`.
    pub inlays: Vec<Inlay>,
    /// How the body is sent.
    pub encoding: Encoding,
    /// How the answer is cut into events.
    pub framing: Framing,
    /// The name of members of the answer whose text is a medium in base64.
    pub lift: Option<String>,
}

/// A medium the host writes into a document.
#[derive(Debug)]
pub struct Inlay {
    /// Where, as a JSON pointer to something that stands there, such as null.
    pub at: String,
    /// What.
    pub blob: Blob,
    /// How.
    pub form: InlayForm,
}

/// Where a response gets its events from.
#[derive(Debug)]
pub enum Source {
    /// The worker's engine.
    Engine(Call),
    /// Another worker: its chunks, in MessagePack ([`parse_chunk`](crate::parse_chunk)).
    Peer(Reply),
}

/// What the host does next for a response.
#[derive(Debug)]
pub struct Step {
    /// Where the events come from.
    pub source: Source,
    /// How long to wait first, in whole milliseconds.
    pub after: Duration,
    /// Sent to the engine when the response is abandoned during this step.
    pub abort: Option<Call>,
}

impl Call {
    /// A GET whose whole body is one event.
    pub fn get(path: &str) -> Self {
        Call {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            tokens_as: None,
            inlays: Vec::new(),
            encoding: Encoding::Plain,
            framing: Framing::Whole,
            lift: None,
        }
    }

    /// A POST of a JSON body; the whole answer is one event unless said otherwise.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::Kind) if `body` does not serialize.
    pub fn post(path: &str, body: &impl Serialize) -> Result<Self> {
        Ok(Call { method: "POST".into(), body: serde_json::to_vec(body)?, ..Call::get(path) })
    }

    /// The answer comes as server-sent events.
    pub fn sse(mut self) -> Self {
        self.framing = Framing::Sse;
        self
    }

    /// The answer comes as lines.
    pub fn ndjson(mut self) -> Self {
        self.framing = Framing::Ndjson;
        self
    }

    /// The answer is a medium: [`Converter::medium`](crate::Converter::medium) gets it.
    pub fn medium(mut self) -> Self {
        self.framing = Framing::Blob;
        self
    }

    /// The answer is JSON whose members called `member` are media in base64.
    /// [`Converter::medium`](crate::Converter::medium) gets each, then
    /// [`Converter::event`](crate::Converter::event) the rest, where a number stands for each: 0, 1, ...
    pub fn lift(mut self, member: &str) -> Self {
        self.lift = Some(member.into());
        self
    }

    /// The body is sent as a form, its members as fields and its media as files.
    pub fn form(mut self) -> Self {
        self.encoding = Encoding::Form;
        self
    }

    /// The host writes `blob` where the JSON pointer `at` leads in the body.
    pub fn inlay(mut self, at: &str, blob: Blob, form: InlayForm) -> Self {
        self.inlays.push(Inlay { at: at.into(), blob, form });
        self
    }

    /// The host writes the request's token ids under `member` of the body.
    pub fn tokens_as(mut self, member: &str) -> Self {
        self.tokens_as = Some(member.into());
        self
    }

    /// Adds headers, such as the request's trace headers.
    pub fn headers(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    /// The call as the host takes it.
    ///
    /// # Errors
    /// A medium of a native test, which no host holds.
    pub(crate) fn into_contract(self) -> Result<contract::Call> {
        Ok(contract::Call {
            method: self.method,
            path: self.path,
            headers: self.headers,
            body: self.body,
            tokens_as: self.tokens_as,
            inlays: self.inlays.into_iter().map(Inlay::into_contract).collect::<Result<_>>()?,
            encoding: self.encoding,
            framing: self.framing,
            lift: self.lift,
        })
    }
}

impl Inlay {
    pub(crate) fn into_contract(self) -> Result<contract::Inlay> {
        let Inlay { at, blob, form } = self;
        Ok(contract::Inlay { at, blob: blob.into_handle()?, form })
    }
}

impl Step {
    /// A call to the engine.
    pub fn call(call: Call) -> Self {
        Step::of(Source::Engine(call))
    }

    /// The response of another worker.
    pub fn peer(reply: Reply) -> Self {
        Step::of(Source::Peer(reply))
    }

    fn of(source: Source) -> Self {
        Step { source, after: Duration::ZERO, abort: None }
    }

    /// Waits first.
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    /// Adds the call that tells the engine to give up.
    pub fn abort_with(mut self, abort: Call) -> Self {
        self.abort = Some(abort);
        self
    }

    /// The call to the engine, if the step is one. For tests.
    pub fn into_call(self) -> Option<Call> {
        match self.source {
            Source::Engine(call) => Some(call),
            Source::Peer(_) => None,
        }
    }

    pub(crate) fn into_contract(self) -> Result<contract::Step> {
        Ok(contract::Step {
            source: match self.source {
                Source::Engine(call) => contract::Source::Engine(call.into_contract()?),
                Source::Peer(reply) => contract::Source::Peer(reply.into_handle()),
            },
            after_ms: u32::try_from(self.after.as_millis()).unwrap_or(u32::MAX),
            abort: self.abort.map(Call::into_contract).transpose()?,
        })
    }
}

/// Sends a control call to the engine and waits for its answer. Makes the component import
/// `dynamo:worker/engine`, which the operator must grant.
///
/// # Errors
/// What the host says: [`Kind::Unavailable`](crate::Kind) when the engine cannot be reached, and natively,
/// where there is no host.
pub fn send_to_engine(call: Call) -> Result<crate::EngineReply> {
    let call = call.into_contract()?;
    #[cfg(target_family = "wasm")]
    return crate::bindings::dynamo::worker::engine::send(call).map_err(Error::from_failure);
    #[cfg(not(target_family = "wasm"))]
    Err(Error::new(crate::Kind::Unavailable, format!("no host here sends `{}`", call.path)))
}
