//! The handler as dynamo-runtime calls it: once for each request off the wire, and in process for
//! the canary.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use dynamo_host_failure::{Failure, Kind};
use dynamo_runtime::engine::{
    AsyncEngine, AsyncEngineContext, AsyncEngineContextProvider, ResponseStream,
};
use dynamo_runtime::pipeline::{ManyOut, SingleIn};
use dynamo_runtime::protocols::annotated::Annotated;
use futures::{FutureExt, Stream, StreamExt, stream};
use serde_json::Value;
use tokio::sync::watch;

use crate::flight::{Flight, Flights};
use crate::frame::{Item, RawRequest, chunk_value};
use crate::handler::{Cancelled, Chunks, Codec, Handler, Request};

/// A handler with the count of what it is doing.
#[derive(Clone)]
pub(crate) struct Engine {
    handler: Arc<dyn Handler>,
    flights: Flights,
    checks: Checks,
}

/// How many health checks in a row have failed. Clones are one count.
#[derive(Clone, Debug)]
pub(crate) struct Checks(watch::Sender<u32>);

impl Checks {
    fn new() -> Self {
        Checks(watch::Sender::new(0))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u32> {
        self.0.subscribe()
    }

    /// A check, which has failed unless it [`Check::passed`].
    fn begin(&self) -> Check {
        Check { checks: self.clone(), passed: false }
    }
}

struct Check {
    checks: Checks,
    passed: bool,
}

impl Check {
    fn passed(&mut self) {
        self.passed = true;
        self.checks.0.send_if_modified(|failed| std::mem::take(failed) != 0);
    }
}

impl Drop for Check {
    /// Also where Dynamo's canary loses its patience, and drops what it asked.
    fn drop(&mut self) {
        if !self.passed {
            self.checks.0.send_modify(|failed| *failed = failed.saturating_add(1));
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("flights", &self.flights).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(handler: Arc<dyn Handler>, flights: Flights) -> Self {
        Engine { handler, flights, checks: Checks::new() }
    }

    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Runs the health-check payload through the handler up to its first chunk.
    pub(crate) async fn probe(&self, payload: &Value) -> Result<(), Failure> {
        let mut check = self.checks.begin();
        let request = SingleIn::new(());
        let mut items = self.answer(probe(payload, request.context())?, None).await?;
        match items.next().await {
            Some(Item::Chunk(_)) => {
                check.passed();
                // The engine finishes what it began, as after Dynamo's own canary.
                tokio::spawn(items.for_each(|_| std::future::ready(())));
                Ok(())
            }
            Some(Item::Failed(failure)) => Err(failure),
            None => Err(Failure::unavailable("the health check was answered without a chunk")),
        }
    }

    async fn answer(&self, request: Request, flight: Option<Flight>) -> Result<Items, Failure> {
        let answer = AssertUnwindSafe(self.handler.handle(request)).catch_unwind().await;
        let chunks = answer.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))?;
        Ok(Items { chunks: Some(chunks), _flight: flight })
    }
}

#[async_trait]
impl AsyncEngine<SingleIn<RawRequest>, ManyOut<Item>, anyhow::Error> for Engine {
    /// A frontend takes an error before the stream for a lost connection and leaves the worker out
    /// of its routing for 5 s, whatever its type; only a typed invalid request is spared (seen with
    /// each class, 1.6.1). So no other failure leaves that way: the stream opens, and the failure
    /// is its first item, which costs its own request and no other.
    async fn generate(&self, request: SingleIn<RawRequest>) -> anyhow::Result<ManyOut<Item>> {
        let flight = self.flights.board();
        let context = request.context();
        let (raw, _) = request.into_parts();
        let request = Request {
            id: context.id().to_owned(),
            body: raw.body,
            codec: raw.codec,
            trace_headers: trace_headers(),
            cancelled: Cancelled::new(context.clone()),
            probe: false,
        };
        let items = match self.answer(request, Some(flight)).await {
            Ok(items) => items,
            Err(failure) if failure.kind == Kind::InvalidRequest => {
                return Err(crate::failure::typed(&failure).into());
            }
            Err(failure) => Items {
                chunks: Some(Box::pin(stream::once(std::future::ready(Err(failure))))),
                _flight: None,
            },
        };
        Ok(ResponseStream::new(Box::pin(items), context))
    }
}

#[async_trait]
impl AsyncEngine<SingleIn<Value>, ManyOut<Annotated<Value>>, anyhow::Error> for Engine {
    /// The canary's way in. Not counted as in flight: a drain does not wait for health checks.
    async fn generate(
        &self,
        request: SingleIn<Value>,
    ) -> anyhow::Result<ManyOut<Annotated<Value>>> {
        let mut check = Some(self.checks.begin());
        let context = request.context();
        let answer = match probe(&request, context.clone()) {
            Ok(request) => self.answer(request, None).await,
            Err(failure) => Err(failure),
        };
        let items =
            answer.map_err(|failure| crate::failure::typed(&failure))?.map(
                move |item| match item {
                    Item::Chunk(chunk) => match chunk_value(&chunk).inspect(|_| pass(&mut check)) {
                        Ok(value) => Annotated::from_data(value),
                        Err(error) => crate::failure::item(&Failure::internal(error.to_string())),
                    },
                    Item::Failed(failure) => crate::failure::item(&failure),
                },
            );
        Ok(ResponseStream::new(Box::pin(items), context))
    }
}

/// The first chunk tells.
fn pass(check: &mut Option<Check>) {
    if let Some(mut check) = check.take() {
        check.passed();
    }
}

fn probe(payload: &Value, context: Arc<dyn AsyncEngineContext>) -> Result<Request, Failure> {
    let body = rmp_serde::to_vec_named(payload).map_err(|error| {
        Failure::internal(format!("the health-check payload cannot be encoded: {error}"))
    })?;
    Ok(Request {
        id: context.id().to_owned(),
        body: body.into(),
        codec: Codec::Msgpack,
        trace_headers: Vec::new(),
        cancelled: Cancelled::new(context),
        probe: true,
    })
}

/// dynamo-runtime keeps the request's headers to itself; what it lets out is the trace of the span
/// it opened for the request, which is the right parent for calls to the engine.
fn trace_headers() -> Vec<(String, String)> {
    let Some(trace) = dynamo_runtime::logging::get_distributed_tracing_context() else {
        return Vec::new();
    };
    let mut headers = vec![("traceparent".to_owned(), trace.create_traceparent())];
    headers.extend(trace.tracestate.map(|state| ("tracestate".to_owned(), state)));
    headers
}

/// The stream a handler returned, ended by its first failure or panic.
struct Items {
    /// None once ended, so that what the stream holds is freed at once.
    chunks: Option<Chunks>,
    /// The request is in flight until this stream is dropped.
    _flight: Option<Flight>,
}

impl Stream for Items {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
        // dynamo-runtime polls on a bare task: a panic would leave the frontend without an answer
        // and the request counted for ever.
        let next = match catch_unwind(AssertUnwindSafe(|| chunks.as_mut().poll_next(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(next)) => next,
            Err(panic) => Some(Err(panicked(panic.as_ref()))),
        };
        Poll::Ready(match next {
            Some(Ok(chunk)) => Some(Item::Chunk(chunk)),
            Some(Err(failure)) => {
                self.chunks = None;
                Some(Item::Failed(failure))
            }
            None => {
                self.chunks = None;
                None
            }
        })
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    Failure::internal(format!("the handler panicked: {words}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use bytes::Bytes;
    use dynamo_runtime::error::DynamoError;
    use serde_json::json;

    use super::*;

    /// Does what its one request says.
    struct Script;

    #[async_trait]
    impl Handler for Script {
        async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
            let chunk = || Ok(Bytes::from_static(b"\x81\xa5index\x00"));
            match rmp_serde::from_slice::<String>(&request.body).unwrap().as_str() {
                "refuse" => Err(Failure::invalid_request("no")),
                "panic" => panic!("before"),
                "panic later" => Ok(Box::pin(stream::iter([0, 1, 2]).map(move |n| match n {
                    1 => panic!("after {n}"),
                    _ => chunk(),
                }))),
                "fail later" => Ok(Box::pin(stream::iter([
                    chunk(),
                    Err(Failure::unavailable("gone")),
                    chunk(),
                ]))),
                "nothing" => Ok(Box::pin(stream::empty())),
                _ => Ok(Box::pin(stream::iter([chunk(), chunk()]))),
            }
        }
    }

    fn engine() -> Engine {
        Engine::new(Arc::new(Script), Flights::new())
    }

    async fn ask(engine: &Engine, what: &str) -> anyhow::Result<Vec<Item>> {
        let body = rmp_serde::to_vec(what).unwrap().into();
        let request = SingleIn::new(RawRequest { body, codec: Codec::Msgpack });
        Ok(engine.generate(request).await?.collect().await)
    }

    #[tokio::test]
    async fn only_an_invalid_request_is_refused_before_the_stream() {
        let engine = engine();
        let error = ask(&engine, "refuse").await.unwrap_err();
        let error = error.downcast_ref::<DynamoError>().expect("a typed error");
        assert_eq!(error.class().as_str(), Kind::InvalidRequest.class());

        let items = ask(&engine, "panic").await.unwrap();
        assert_eq!(items.len(), 1);
        let Item::Failed(failure) = &items[0] else { panic!("no failure") };
        assert_eq!(failure.kind, Kind::Internal);
        assert_eq!(failure.message, "the handler panicked: before");
        assert_eq!(engine.flights.count(), 0);
    }

    #[tokio::test]
    async fn the_first_failure_is_the_last_item() {
        let engine = engine();
        for (what, words) in
            [("fail later", "gone"), ("panic later", "the handler panicked: after 1")]
        {
            let items = ask(&engine, what).await.unwrap();
            assert_eq!(items.len(), 2);
            assert!(matches!(&items[1], Item::Failed(failure) if failure.message == words));
        }
    }

    #[tokio::test]
    async fn a_request_is_in_flight_until_its_stream_is_dropped() {
        let engine = engine();
        let body = rmp_serde::to_vec("answer").unwrap().into();
        let request = SingleIn::new(RawRequest { body, codec: Codec::Msgpack });
        let stream = engine.generate(request).await.unwrap();
        assert_eq!(engine.flights.count(), 1);
        drop(stream);
        assert_eq!(engine.flights.count(), 0);
    }

    #[tokio::test]
    async fn a_probe_passes_with_the_first_chunk() {
        let engine = engine();
        assert_eq!(engine.probe(&json!("answer")).await, Ok(()));
        let kinds = [
            ("refuse", Kind::InvalidRequest),
            ("panic", Kind::Internal),
            ("nothing", Kind::Unavailable),
        ];
        for (what, kind) in kinds {
            assert_eq!(engine.probe(&json!(what)).await.unwrap_err().kind, kind);
        }
    }

    #[tokio::test]
    async fn checks_that_fail_in_a_row_are_counted() {
        let engine = engine();
        let failed = engine.checks().watch();
        for (what, count) in [("fail later", 0), ("refuse", 1), ("nothing", 2), ("answer", 0)] {
            let request = SingleIn::new(json!(what));
            let answer: anyhow::Result<ManyOut<Annotated<Value>>> = engine.generate(request).await;
            if let Ok(mut answer) = answer {
                answer.next().await;
            }
            assert_eq!(*failed.borrow(), count, "{what}");
        }
        assert!(engine.probe(&json!("panic")).await.is_err());
        assert_eq!(*failed.borrow(), 1);
    }

    #[tokio::test]
    async fn the_canary_reads_chunks_as_values() {
        let answer: Vec<Annotated<Value>> =
            engine().generate(SingleIn::new(json!("fail later"))).await.unwrap().collect().await;
        assert_eq!(answer[0].data, Some(json!({"index": 0})));
        assert!(answer[1].error.is_some() && !answer[1].is_ok());
    }
}
