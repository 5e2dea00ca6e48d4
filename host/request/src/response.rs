//! One response: the engine's events in, the plugin's chunks out.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dynamo_host_engine::{Call, EngineError};
use dynamo_host_failure::Failure;
use dynamo_host_plugin::{Output, Session};
use futures::stream::{self, Stream};
use tokio::runtime::Handle;

use crate::exchange::{self, Exchange, Reply};

/// Most events that cross to the plugin in one call. Batches grow by themselves under load, where
/// they halve the cost of a chunk; beyond this they would only delay the first chunk of the batch.
const MAX_BATCH: usize = 64;

/// Longest body read of an answer that is not 2xx: an error message.
const MAX_REJECTION: usize = 1 << 20;

/// Longest event copied to where an earlier one was, in bytes. A longer one is most often a whole
/// body, whose bytes nobody else has: it moves.
const LARGE_EVENT: usize = 64 << 10;

/// Where a response stands.
enum Stage<R> {
    /// The engine has not been called.
    Planned(Call),
    /// The engine is answering.
    Answering(R),
    /// No event will come any more.
    Over,
}

/// The chunks of one response, in order, then nothing or one [`Failure`].
///
/// Dropped before its end it closes the connection to the engine and sends the plugin's abort call.
pub struct Response<E: Exchange> {
    exchange: Arc<E>,
    session: Option<Session>,
    stage: Stage<E::Reply>,
    /// Chunks that wait to be taken.
    chunks: VecDeque<Vec<u8>>,
    /// What ends the response once the chunks are taken.
    failure: Option<Failure>,
    /// Sent if the response is given up; gone once the engine's answer has ended.
    abort: Option<Call>,
    /// Whether the engine has been called.
    called: bool,
    cancelled: Pin<Box<dyn Future<Output = ()> + Send>>,
    leaving: Arc<AtomicBool>,
    /// Batches, kept between turns so that a token costs no allocation here. The list of events
    /// only grows: its first places hold the batch.
    arrived: Vec<Bytes>,
    events: Vec<Vec<u8>>,
}

impl<E: Exchange> Response<E> {
    pub(crate) fn new(
        exchange: Arc<E>,
        session: Session,
        preface: Vec<Vec<u8>>,
        call: Option<Call>,
        abort: Option<Call>,
        cancelled: Pin<Box<dyn Future<Output = ()> + Send>>,
        leaving: Arc<AtomicBool>,
    ) -> Self {
        Response {
            exchange,
            session: Some(session),
            stage: call.map_or(Stage::Over, Stage::Planned),
            chunks: preface.into(),
            failure: None,
            abort,
            called: false,
            cancelled,
            leaving,
            arrived: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The response as a stream of MessagePack chunks.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
        stream::unfold(self, |mut response| async move {
            let item = response.next().await?;
            Some((item, response))
        })
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
            if let Err(failure) = self.advance().await {
                self.fail(failure);
            }
        }
    }

    /// Does the next thing: call the engine, or convert what it sent. Gives up when the client
    /// leaves.
    async fn advance(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Planned(call) => {
                let reply = tokio::select! {
                    biased;
                    () = &mut self.cancelled => {
                        self.give_up();
                        return Ok(());
                    }
                    reply = async {
                        self.called = true;
                        self.exchange.send(call).await
                    } => reply,
                };
                let reply = reply.map_err(|error| {
                    // An engine that was not reached has nothing to abort.
                    self.called = !matches!(error, EngineError::Unreachable { .. });
                    exchange::failure(&error)
                })?;
                match reply.status() {
                    200..=299 => self.stage = Stage::Answering(reply),
                    status => return Err(self.rejected(status, reply).await?),
                }
            }
            Stage::Answering(mut reply) => {
                self.arrived.clear();
                let arrived = tokio::select! {
                    biased;
                    () = &mut self.cancelled => {
                        drop(reply);
                        self.give_up();
                        return Ok(());
                    }
                    arrived = reply.next(&mut self.arrived, MAX_BATCH) => arrived,
                };
                match arrived.map_err(|error| exchange::failure(&error))? {
                    0 => {
                        self.abort = None;
                        self.converse(async |session| session.finish().await).await?;
                    }
                    _ => {
                        self.stage = Stage::Answering(reply);
                        self.convert().await?;
                    }
                }
            }
            Stage::Over => {}
        }
        Ok(())
    }

    async fn convert(&mut self) -> Result<(), Failure> {
        let mut events = std::mem::take(&mut self.events);
        let batch = self.arrived.len();
        if events.len() < batch {
            events.resize_with(batch, Vec::new);
        }
        for (place, event) in events.iter_mut().zip(self.arrived.drain(..)) {
            if event.len() > LARGE_EVENT {
                *place = event.into();
            } else {
                place.clear();
                place.extend_from_slice(&event);
            }
        }
        let converted = self.converse(async |session| session.push(&events[..batch]).await).await;
        self.events = events;
        converted
    }

    /// Asks the converter and takes what it says. It may wait for another worker meanwhile: not for
    /// a client that leaves.
    async fn converse(
        &mut self,
        ask: impl AsyncFnOnce(&mut Session) -> Result<Output, Failure>,
    ) -> Result<(), Failure> {
        let session =
            self.session.as_mut().ok_or_else(|| Failure::internal("the response is over"))?;
        let answered = tokio::select! {
            biased;
            answered = ask(session) => answered?,
            () = &mut self.cancelled => {
                self.give_up();
                return Ok(());
            }
        };
        self.take(answered);
        Ok(())
    }

    /// Takes what the converter made of a batch.
    fn take(&mut self, output: Output) {
        self.chunks.extend(output.chunks);
        let Some(end) = output.end else { return };
        if end.engine_done {
            self.abort = None;
        }
        match end.failure {
            Some(failure) => self.fail(self.broken_off(failure.into())),
            None => self.end_early(),
        }
    }

    /// What the plugin makes of a status that is not 2xx.
    async fn rejected(&mut self, status: u16, reply: E::Reply) -> Result<Failure, Failure> {
        self.abort = None;
        let body = reply.whole(MAX_REJECTION).await.map_err(|error| exchange::failure(&error))?;
        self.session()?.rejected(status, &body.into()).await
    }

    /// Ends the response with `failure`, after the chunks that came before it.
    fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.end_early();
    }

    /// What a response that broke off in the middle failed with: while the worker goes away, that it
    /// goes away, whatever its engine says.
    fn broken_off(&self, failure: Failure) -> Failure {
        if !self.leaving.load(Ordering::Relaxed) {
            return failure;
        }
        Failure::unavailable(format!("the worker is shutting down: {}", failure.message))
    }

    /// Nothing the engine still has to say is wanted.
    fn end_early(&mut self) {
        // The connection goes first: for most engines that alone is the abort.
        self.stage = Stage::Over;
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
