//! One response: the engine's events in, the plugin's chunks out.

mod conversion;

pub use conversion::is_plugins;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::Failure;
use dynamo_host_plugin::{self as plugin, PeerChunks, ResponsePlan, Session, Source, Step};
use futures::stream::{self, Stream};
use tokio::runtime::Handle;
use tracing::Instrument;

use crate::call::{Kept, to_engine};
use crate::exchange::{self, Exchange, Reply};
use crate::medium::{Medium, Piece, aside};
use crate::slots::{Slot, Slots};
use crate::spans::{CallSpan, Spans};

/// Most events that cross to the plugin in one call. Batches grow by themselves under load, where
/// they halve the cost of a chunk; beyond this they would only delay the first chunk of the batch.
const MAX_BATCH: usize = 64;

/// Resolves when the client has left.
type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why a response does not go on.
enum Stopped {
    /// The client has left.
    Left,
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Stopped::Failed(failure)
    }
}

/// What `future` comes to, if the client waits for it. A client that has left comes first.
async fn unless_left<T>(left: &mut Left, future: impl Future<Output = T>) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        () = left => Err(Stopped::Left),
        value = future => Ok(value),
    }
}

/// Where a response stands.
enum Stage<R> {
    /// Its next step has not begun.
    Next(Step),
    /// The engine is answering, in events.
    Answering(R),
    /// The engine is answering with media.
    Taking(R, Medium),
    /// Another worker is answering.
    Relaying(Box<dyn PeerChunks>),
    /// An answer with media has been taken whole; this of it goes to the converter.
    Handing(VecDeque<Piece>),
    /// No event will come any more.
    Over,
}

/// The chunks of one response, in order, then nothing or one [`Failure`].
///
/// Dropped before its end it closes the connection to the engine and sends the abort call of the
/// present step.
pub struct Response<E: Exchange> {
    exchange: Arc<E>,
    session: Option<Session>,
    stage: Stage<E::Reply>,
    kept: Kept,
    /// Chunks that wait to be taken.
    chunks: VecDeque<Vec<u8>>,
    /// What ends the response once the chunks are taken.
    failure: Option<Failure>,
    /// Whether that is the plugin's doing.
    blamed: bool,
    /// Sent if the response is given up; gone once the engine's answer has ended.
    abort: Option<Call>,
    /// Whether the engine has been called.
    called: bool,
    cancelled: Left,
    slots: Slots,
    /// Its place at the engine, from the first call on until nothing more is wanted of it.
    slot: Option<Slot>,
    leaving: Arc<AtomicBool>,
    spans: Spans,
    /// Of the present call to the engine.
    span: CallSpan,
    /// Batches, kept between turns so that a token costs no allocation here. The list of events
    /// only grows: its first places hold the batch.
    arrived: Vec<Bytes>,
    events: Vec<Vec<u8>>,
}

impl<E: Exchange> Response<E> {
    pub(crate) fn new(
        exchange: Arc<E>,
        session: Session,
        plan: ResponsePlan,
        kept: Kept,
        cancelled: Left,
        slots: Slots,
        leaving: Arc<AtomicBool>,
    ) -> Self {
        Response {
            exchange,
            session: Some(session),
            stage: plan.next.map_or(Stage::Over, Stage::Next),
            kept,
            chunks: plan.preface.into(),
            failure: None,
            blamed: false,
            abort: None,
            called: false,
            cancelled,
            slots,
            slot: None,
            leaving,
            spans: Spans::default(),
            span: CallSpan::default(),
            arrived: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Shows its calls to the engine in the request's trace.
    pub(crate) fn traced(mut self, spans: Spans) -> Self {
        self.spans = spans;
        self
    }

    /// The response as a stream of MessagePack chunks.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
        // The stream moves it with every chunk: in a box it moves a pointer.
        stream::unfold(Box::new(self), |mut response| async move {
            let item = response.next().await?;
            Some((item, response))
        })
    }

    /// Whether the response failed by its plugin: its code trapped, ran past its deadline, or it
    /// says of an answer the engine gave with a status of 2xx that it failed internally or made no
    /// sense. Not by the request, the engine or the client.
    pub fn is_plugins_failure(&self) -> bool {
        self.blamed
    }

    /// The next chunk, the failure that ends the response, or nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Some(Ok(chunk.into()));
            }
            if let Some(failure) = self.failure.take() {
                return Some(Err(failure));
            }
            if matches!(self.stage, Stage::Over) {
                if let Some(session) = self.session.take() {
                    session.close().await;
                }
                return None;
            }
            match self.advance().await {
                Ok(()) => {}
                Err(Stopped::Left) => self.give_up(),
                Err(Stopped::Failed(failure)) => self.fail(failure),
            }
        }
    }

    /// Does the next thing: begin a step, or convert what came.
    ///
    /// A future is moved before it is polled, so what is not done for every token has one of its own,
    /// in a box: here it would make that of every token as large as itself.
    async fn advance(&mut self) -> Result<(), Stopped> {
        match &mut self.stage {
            Stage::Answering(reply) => {
                self.arrived.clear();
                let arrived =
                    unless_left(&mut self.cancelled, reply.next(&mut self.arrived, MAX_BATCH))
                        .await?;
                match arrived.map_err(|error| exchange::failure(&error))? {
                    0 => {
                        self.stage = Stage::Over;
                        Box::pin(self.finish()).await
                    }
                    _ => self.convert().await,
                }
            }
            _ => Box::pin(self.advance_rarely()).await,
        }
    }

    /// The stages that a token does not go through.
    async fn advance_rarely(&mut self) -> Result<(), Stopped> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Next(step) => self.begin(step).await,
            Stage::Relaying(mut reply) => {
                let arrived = unless_left(&mut self.cancelled, reply.next(MAX_BATCH)).await?;
                self.arrived = arrived?;
                if self.arrived.is_empty() {
                    return self.finish().await;
                }
                self.stage = Stage::Relaying(reply);
                self.convert().await
            }
            Stage::Taking(mut reply, mut medium) => {
                let frame = unless_left(&mut self.cancelled, reply.frame()).await?;
                match frame.map_err(|error| exchange::failure(&error))? {
                    Some(frame) => {
                        medium.push(frame)?;
                        self.stage = Stage::Taking(reply, medium);
                    }
                    None => {
                        self.abort = None;
                        // A client that takes its medium slowly keeps nobody waiting.
                        self.slot = None;
                        self.span = CallSpan::default();
                        self.stage = Stage::Handing(medium.finish(reply.content_type()));
                    }
                }
                Ok(())
            }
            Stage::Handing(mut pieces) => match pieces.pop_front() {
                None => self.finish().await,
                Some(Piece::Medium(medium)) => {
                    self.stage = Stage::Handing(pieces);
                    self.converse(async |session| session.deliver(medium).await).await
                }
                Some(Piece::Event(event)) => {
                    self.stage = Stage::Handing(pieces);
                    self.arrived.clear();
                    self.arrived.push(event);
                    self.convert().await
                }
            },
            // The one comes before, the other after.
            Stage::Answering(_) | Stage::Over => Ok(()),
        }
    }

    /// Waits as long as the step says, then calls whom it says.
    async fn begin(&mut self, step: Step) -> Result<(), Stopped> {
        let Step { source, after, abort } = step;
        if self.slot.is_none() && matches!(source, Source::Engine(_)) {
            let slot = unless_left(&mut self.cancelled, self.slots.take()).await?;
            self.slot = Some(slot);
        }
        self.abort = match abort {
            Some(call) => Some(self.ready(call).await?),
            None => None,
        };
        if !after.is_zero() {
            unless_left(&mut self.cancelled, self.exchange.wait(after)).await?;
        }
        let call = match source {
            Source::Engine(call) => call,
            Source::Peer(reply) => {
                self.stage = Stage::Relaying(reply);
                return Ok(());
            }
        };
        let left = self.session()?.media_bytes_left()?;
        let medium = Medium::asked_for(&call, left);
        let call = self.ready(call).await?;
        self.span = self.spans.call(&call);
        let sent = async {
            self.called = true;
            self.exchange.send(call).await
        };
        let sent = sent.instrument(self.span.span().clone());
        let reply = unless_left(&mut self.cancelled, sent).await?;
        let reply = reply.map_err(|error| {
            // An engine that was not reached has nothing to abort.
            self.called = !matches!(error, EngineError::Unreachable { .. });
            exchange::failure(&error)
        })?;
        self.span.answered(reply.status());
        match (reply.status(), medium) {
            (200..=299, None) => self.stage = Stage::Answering(reply),
            (200..=299, Some(medium)) => self.stage = Stage::Taking(reply, medium),
            (status, _) => self.rejected(status, reply).await?,
        }
        Ok(())
    }

    /// The call as it is sent. Blobs are encoded aside: they may be long.
    async fn ready(&mut self, call: plugin::Call) -> Result<Call, Failure> {
        if call.inlays.is_empty() {
            return to_engine(call, &self.kept);
        }
        let kept = self.kept.clone();
        aside(move || to_engine(call, &kept)).await
    }

    /// The source has ended.
    async fn finish(&mut self) -> Result<(), Stopped> {
        self.abort = None;
        self.span = CallSpan::default();
        self.converse(async |session| session.finish().await).await
    }

    /// Ends the response with `failure`, after the chunks that came before it.
    fn fail(&mut self, failure: Failure) {
        self.span.failed(&failure);
        self.failure = Some(failure);
        self.end_early();
    }

    /// Nothing the engine still has to say is wanted.
    fn end_early(&mut self) {
        // The connection goes first: for most engines that alone is the abort.
        self.stage = Stage::Over;
        self.slot = None;
        self.span = CallSpan::default();
        self.send_abort();
    }

    /// The client has left: nobody takes chunks any more.
    fn give_up(&mut self) {
        self.chunks.clear();
        self.end_early();
    }

    /// Tells an engine that was called and has not answered in full to stop. Runs by itself: the
    /// response does not wait for it.
    fn send_abort(&mut self) {
        let Some(abort) = self.abort.take().filter(|_| self.called) else { return };
        let exchange = self.exchange.clone();
        let send = async move {
            if let Err(error) = exchange.send(abort).await {
                tracing::debug!("the engine could not be told to abort: {error}");
            }
        };
        // Outside a runtime the process is ending, and the engine with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(send);
        }
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        self.session.as_mut().ok_or_else(|| Failure::internal("the response is over"))
    }
}

impl<E: Exchange> Drop for Response<E> {
    fn drop(&mut self) {
        self.end_early();
    }
}
