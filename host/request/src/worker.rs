//! A configured plugin in front of an engine.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{Held, Plugin, Request};
use tracing::Instrument;

use crate::call::Kept;
use crate::response::Response;
use crate::slots::Slots;
use crate::spans::{self, Spans};
use crate::{Codec, Exchange, FreshSource, Payload};

/// A request as Dynamo delivers it.
pub struct Incoming {
    /// Dynamo's id of the request.
    pub id: String,
    /// The payload as it arrived.
    pub payload: Bytes,
    /// The payload's encoding.
    pub codec: Codec,
    /// W3C trace headers.
    pub trace_headers: Vec<(String, String)>,
    /// Whether this is the host's own health check.
    pub probe: bool,
    /// Resolves when the client has left.
    pub cancelled: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The names of the LoRA adapters the engine has loaded at the moment. Clones are one list.
#[derive(Clone, Default)]
pub struct AdapterNames(Arc<ArcSwap<Vec<String>>>);

impl AdapterNames {
    /// Requests from now on see `names`.
    pub fn set(&self, names: Vec<String>) {
        self.0.store(Arc::new(names));
    }
}

impl From<Vec<String>> for AdapterNames {
    fn from(names: Vec<String>) -> Self {
        AdapterNames(Arc::new(ArcSwap::from_pointee(names)))
    }
}

/// Serves one worker type: a plugin, what it knows of its engine, and the engine.
pub struct Worker<E> {
    plugin: Plugin,
    state: Vec<u8>,
    exchange: Arc<E>,
    fresh: Box<dyn FreshSource>,
    adapters: AdapterNames,
    slots: Slots,
    leaving: Arc<AtomicBool>,
}

impl<E: Exchange> Worker<E> {
    /// `state` is what the plugin's `configure` made of the engine's report.
    pub fn new(plugin: Plugin, state: Vec<u8>, exchange: E, fresh: impl FreshSource) -> Self {
        Worker {
            plugin,
            state,
            exchange: Arc::new(exchange),
            fresh: Box::new(fresh),
            adapters: AdapterNames::default(),
            slots: Slots::default(),
            leaving: Arc::default(),
        }
    }

    /// What the plugin's `configure` made of the engine's report.
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// Names the LoRA adapters the engine has loaded.
    pub fn with_adapters(mut self, adapters: AdapterNames) -> Self {
        self.adapters = adapters;
        self
    }

    /// Lets `count` responses use the engine at once; none for as many as come.
    pub fn with_concurrency(mut self, count: Option<u32>) -> Self {
        self.slots = Slots::new(count);
        self
    }

    /// Takes over the places at the engine from the worker before it, which may still be at work: the
    /// engine is the same.
    pub fn succeed(&mut self, before: &Worker<E>) {
        if self.slots.are_as_many_as(&before.slots) {
            self.slots = before.slots.clone();
        }
    }

    /// Whether the engine works on as many requests as it can, so that one more would have to wait.
    pub fn is_fully_at_work(&self) -> bool {
        self.slots.are_taken()
    }

    /// Says that the worker is going away: from now on a response that its engine fails is one
    /// another worker may take over, whatever the engine said. (Dynamo's Python workers raise
    /// `EngineShutdown` there.)
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Plans one request and begins its response. The engine is called when the response is first
    /// polled, so that a preface does not wait for it.
    ///
    /// # Errors
    /// The plugin's refusal, or why it could not be asked.
    pub async fn respond(&self, incoming: Incoming) -> Result<Response<E>, Failure> {
        let spans = Spans::of(&incoming.trace_headers);
        let span = spans.plan(&self.plugin);
        let planned = self.plan(incoming, spans).instrument(span.clone()).await;
        planned.inspect_err(|failure| spans::failed(&span, failure))
    }

    async fn plan(&self, incoming: Incoming, spans: Spans) -> Result<Response<E>, Failure> {
        let Payload { body, token_ids } = Payload::read(&incoming.payload, incoming.codec)?;
        let fresh = self.fresh.draw();
        let (body, held) = Held::take_out(body, &fresh.request_id);
        let request = Request {
            id: incoming.id,
            body,
            token_count: token_ids.as_ref().map(|ids| ids.len() as u32),
            trace_headers: incoming.trace_headers,
            adapters: self.adapters.0.load().to_vec(),
            probe: incoming.probe,
            fresh,
        };
        let ids = token_ids.unwrap_or_default();
        let mut session = self.plugin.session().await?;
        let mut cancelled = incoming.cancelled;
        // A plugin that waits for another worker or a medium is not kept waiting for nobody.
        let planned = tokio::select! {
            biased;
            planned = session.plan(&self.state, &request, ids.clone(), held.clone()) => planned,
            () = &mut cancelled => {
                return Err(Failure::new(Kind::Cancelled, "the client left"));
            }
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(refusal) => {
                session.close().await;
                return Err(refusal);
            }
        };
        Ok(Response::new(
            self.exchange.clone(),
            session,
            plan,
            Kept { ids, held },
            cancelled,
            self.slots.clone(),
            self.leaving.clone(),
        )
        .traced(spans))
    }
}
