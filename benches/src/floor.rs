//! The floor: the host's parts with the plugin's code compiled in, so that nothing is left out but
//! the sandbox.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use decode::Decode;
use dynamo_host_engine::events::Framing;
use dynamo_host_engine::{Call, Client, EngineError, Limits, Reply};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{
    Chunks, Codec, Discovery, Handler, Plane, PlaneConfig, Request, ServeOptions,
};
use dynamo_host_request::{self as request, FreshSource, Payload, SystemFresh, splice};
use dynamo_worker_sdk as sdk;
use futures::stream;
use sdk::{Converter, Flow, Worker};

use crate::error::BenchError;

/// Most events taken at once, as in the host.
const MAX_BATCH: usize = 64;

/// Serves `endpoint` until the process ends.
pub async fn serve(engine_url: &str, endpoint: &str) -> Result<(), BenchError> {
    let engine = Client::new(engine_url, Limits::default())?;
    let mut report = sdk::EngineReport {
        served_name: "bench".into(),
        model_path: "bench".into(),
        address: "127.0.0.1".into(),
        answers: Vec::new(),
        files: Vec::new(),
    };
    for path in ["/server_info", "/model_info"] {
        let whole = engine.send(Call::get(path)).await?.whole(1 << 20).await?;
        report.answers.push((path.into(), whole.into()));
    }
    let worker = Decode::configure(sdk::sglang::Settings::default(), report)
        .map_err(|error| failed("configure", &error))?;
    let floor = Arc::new(Floor { worker: Arc::new(worker), engine });
    let config = PlaneConfig { discovery: Discovery::File(None), ..PlaneConfig::default() };
    let plane = Plane::connect(config).await?;
    let served = plane.serve(endpoint.parse()?, floor, ServeOptions::default()).await?;
    served
        .probe()
        .await
        .map_err(|failure| BenchError::Request { subject: "floor".into(), failure })?;
    plane.set_ready(true);
    pending().await
}

struct Floor {
    worker: Arc<Decode>,
    engine: Client,
}

fn failed(during: &str, error: &sdk::Error) -> BenchError {
    let failure = Failure::internal(format!("{during}: {error:?}"));
    BenchError::Request { subject: "floor".into(), failure }
}

fn refused(error: &sdk::Error) -> Failure {
    Failure::internal(format!("{error:?}"))
}

fn unreachable(error: &EngineError) -> Failure {
    Failure::new(Kind::Unavailable, error.to_string())
}

#[async_trait]
impl Handler for Floor {
    async fn handle(&self, incoming: Request) -> Result<Chunks, Failure> {
        let codec = match incoming.codec {
            Codec::Msgpack => request::Codec::Msgpack,
            Codec::Json => request::Codec::Json,
        };
        let Payload { body, token_ids } = Payload::read(&incoming.body, codec)?;
        let fresh = SystemFresh.draw();
        let ids = token_ids.unwrap_or_default();
        let asked = sdk::Request {
            id: incoming.id,
            body,
            token_count: Some(ids.len() as u32),
            trace_headers: incoming.trace_headers,
            adapters: Vec::new(),
            probe: incoming.probe,
            fresh: sdk::Fresh {
                request_id: fresh.request_id,
                bootstrap_room: fresh.bootstrap_room,
                seed: fresh.seed,
                unix_millis: fresh.unix_millis,
            },
        };
        let plan =
            self.worker.plan(&asked, &sdk::Prompt::List(&ids)).map_err(|error| refused(&error))?;
        let call = plan
            .next
            .and_then(sdk::Step::into_call)
            .ok_or_else(|| Failure::internal("the floor only calls the engine"))?;
        let body = match &call.tokens_as {
            Some(member) => splice::token_ids(&call.body, member, &ids)?,
            None => call.body.into(),
        };
        let call = Call {
            method: http_method(&call.method)?,
            path: call.path,
            headers: call.headers,
            body,
            framing: Framing::Sse,
            repeatable: true,
        };
        let reply = self.engine.send(call).await.map_err(|error| unreachable(&error))?;
        let answer = Answer {
            reply,
            converter: plan.converter,
            arrived: Vec::new(),
            ready: Vec::new().into_iter(),
            over: false,
        };
        Ok(Box::pin(stream::try_unfold(answer, |mut answer| async move {
            Ok(answer.next().await?.map(|chunk| (chunk, answer)))
        })))
    }
}

fn http_method(name: &str) -> Result<axum::http::Method, Failure> {
    name.parse().map_err(|_| Failure::internal(format!("no method is called {name}")))
}

/// One response on its way.
struct Answer {
    reply: Reply,
    converter: <Decode as Worker>::Converter,
    arrived: Vec<Bytes>,
    ready: std::vec::IntoIter<Vec<u8>>,
    over: bool,
}

impl Answer {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(chunk) = self.ready.next() {
                return Ok(Some(chunk.into()));
            }
            if self.over {
                return Ok(None);
            }
            self.arrived.clear();
            let arrived = self.reply.next(&mut self.arrived, MAX_BATCH).await;
            arrived.map_err(|error| unreachable(&error))?;
            let mut chunks = sdk::Chunks::default();
            self.over = self.arrived.is_empty();
            for event in &self.arrived {
                let flow = self.converter.event(event, &mut chunks);
                match flow.map_err(|error| refused(&error))? {
                    Flow::Continue => {}
                    Flow::Then(_) | Flow::Done => self.over = true,
                }
            }
            self.ready = chunks.into_encoded().into_iter();
        }
    }
}
