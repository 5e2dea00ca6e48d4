//! What a plugin can have done for a request: the contract's `calls`, with what its handles stand
//! for in their places.

use std::fmt;
use std::time::Duration;

use dynamo_host_blob::Blob;
use wasmtime::component::Resource;

pub use crate::bindings::calls::{Encoding, Framing, InlayForm};
use crate::bindings::{calls, contract};
use crate::imports::State;
use crate::{Ending, PeerChunks};

/// One HTTP exchange with the engine.
#[derive(Debug)]
pub struct Call {
    /// The method, as the plugin wrote it.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers beside those the host adds.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The member of `body` under which the request's token ids go.
    pub tokens_as: Option<String>,
    /// Blobs that go into `body`.
    pub inlays: Vec<Inlay>,
    /// How the body is sent.
    pub encoding: Encoding,
    /// How the answer is cut into events.
    pub framing: Framing,
    /// The member of the answer whose texts are media in base64.
    pub lift: Option<String>,
}

/// A blob to be written into a document.
#[derive(Debug)]
pub struct Inlay {
    /// Where, as a JSON pointer.
    pub at: String,
    /// What.
    pub blob: Blob,
    /// How.
    pub form: InlayForm,
}

/// Where a response gets its events from.
pub enum Source {
    /// The engine.
    Engine(Call),
    /// Another worker.
    Peer(Box<dyn PeerChunks>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Engine(call) => f.debug_tuple("Engine").field(call).finish(),
            Source::Peer(_) => f.write_str("Peer"),
        }
    }
}

/// What comes next in a response.
#[derive(Debug)]
pub struct Step {
    /// Where the events come from.
    pub source: Source,
    /// How long to wait first.
    pub after: Duration,
    /// What tells the engine that the response is given up.
    pub abort: Option<Call>,
}

/// What a converter made of a batch.
#[derive(Debug)]
pub struct Output {
    /// Response chunks, in MessagePack.
    pub chunks: Vec<Vec<u8>>,
    /// Blobs that go into chunks, by the chunk's position.
    pub inlays: Vec<(u32, Inlay)>,
    /// Set when the response goes on elsewhere.
    pub next: Option<Step>,
    /// Set when the response is over.
    pub end: Option<Ending>,
}

impl State {
    /// Takes what a call's handles stand for; the plugin has given them away.
    pub(crate) fn take_call(&mut self, call: calls::Call) -> wasmtime::Result<Call> {
        let calls::Call { method, path, headers, body, tokens_as, encoding, framing, lift, .. } =
            call;
        let inlays = call.inlays.into_iter().map(|inlay| self.take_inlay(inlay));
        let inlays = inlays.collect::<wasmtime::Result<_>>()?;
        Ok(Call { method, path, headers, body, tokens_as, inlays, encoding, framing, lift })
    }

    pub(crate) fn take_step(&mut self, step: calls::Step) -> wasmtime::Result<Step> {
        let calls::Step { source, after_ms, abort } = step;
        Ok(Step {
            source: match source {
                calls::Source::Engine(call) => Source::Engine(self.take_call(call)?),
                calls::Source::Peer(reply) => Source::Peer(self.table.delete(reply)?.0),
            },
            after: Duration::from_millis(after_ms.into()),
            abort: abort.map(|call| self.take_call(call)).transpose()?,
        })
    }

    pub(crate) fn take_output(&mut self, output: contract::Output) -> wasmtime::Result<Output> {
        let contract::Output { chunks, inlays, next, end } = output;
        let inlays = inlays
            .into_iter()
            .map(|inlay| Ok((inlay.chunk, self.take_inlay(inlay.inlay)?)))
            .collect::<wasmtime::Result<_>>()?;
        let next = next.map(|step| self.take_step(step)).transpose()?;
        Ok(Output { chunks, inlays, next, end })
    }

    fn take_inlay(&mut self, inlay: calls::Inlay) -> wasmtime::Result<Inlay> {
        let calls::Inlay { at, blob, form } = inlay;
        Ok(Inlay { at, blob: self.take_blob(blob)?, form })
    }

    /// Takes a blob out of what the instance holds.
    pub(crate) fn take_blob(&mut self, blob: Resource<Blob>) -> wasmtime::Result<Blob> {
        let blob = self.table.delete(blob)?;
        self.media_bytes_left += blob.size();
        Ok(blob)
    }
}
