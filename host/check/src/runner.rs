//! One case through the real plugin runtime and the real way of a request, in front of a scripted
//! engine.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynamo_host_plugin::{
    EngineReport, Failure, Fault, Fresh, Hooks, MetricSink, Plugin, Setup, Start,
};
use dynamo_host_request::{Codec, FreshSource, Incoming, Worker};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::adapters::ScriptedAdapters;
use crate::case::{self, Case};
use crate::compare::Difference;
use crate::script::{Control, Pace, Script};
use crate::service::ScriptedService;
use crate::values;
use crate::verdict::{self, Observed};
use crate::words;

/// Runs cases against one plugin.
pub(crate) struct Runner {
    plugin: Plugin,
    control: Control,
    adapters: ScriptedAdapters,
    service: ScriptedService,
}

impl Runner {
    pub(crate) fn new(plugin: Plugin) -> Self {
        let control = Control::default();
        let adapters = ScriptedAdapters::default();
        let service = ScriptedService::default();
        plugin.connect(Hooks {
            adapters: Some(Arc::new(adapters.clone())),
            engine: Some(Arc::new(control.clone())),
            metrics: Some(Arc::new(NoMetrics)),
            peers: Some(Arc::new(control.clone())),
            media: Some(Arc::new(control.clone())),
            service: Some(Arc::new(service.clone())),
        });
        Runner { plugin, control, adapters, service }
    }

    /// Every difference between what `case` expects and what comes of it.
    ///
    /// A response is run twice, its events arriving one by one and all at once: a batch is what had
    /// arrived, so a plugin must answer the same.
    pub(crate) async fn run(&self, case: &Case) -> Vec<Difference> {
        let found = verdict::differences(case, &self.observe(case, Pace::OneByOne).await);
        // When a client leaves, what is still sent depends on what had arrived.
        if !found.is_empty() || case.context.cancel_after_chunks.is_some() {
            return found;
        }
        let mut found = verdict::differences(case, &self.observe(case, Pace::AllAtOnce).await);
        for difference in &mut found {
            difference.path.insert_str(0, "with all events in one batch: ");
        }
        found
    }

    async fn observe(&self, case: &Case, pace: Pace) -> Observed {
        let mut observed = Observed::default();
        let script = Script::new(&case.exchanges, pace);
        self.control.play(&script);
        self.adapters.play(&script, case.adapters.as_deref());
        self.service.play(&script, &case.away);
        if let Err(failure) = self.stages(case, &script, &mut observed).await {
            observed.failure = Some(failure);
        }
        observed.calls = script.seen();
        observed
    }

    async fn stages(
        &self,
        case: &Case,
        script: &Script,
        observed: &mut Observed,
    ) -> Result<(), Failure> {
        let settings = Value::Object(case.settings.clone()).to_string().into_bytes();
        if case.prepares() {
            let start = start(settings.clone(), case.start.as_ref());
            observed.setup = Some(setup(self.plugin.prepare(start).await?));
        }
        if !case.configures() {
            return Ok(());
        }
        let configured = self.plugin.configure(&settings, report(&case.engine)).await?;
        let registration = &configured.registration;
        let what = "registration /runtime_config";
        let runtime_config = document(what, &registration.runtime_config, observed);
        observed.registration = Some(words::registration(registration, runtime_config));
        observed.health_check = document("health_check", &configured.health_check, observed);
        let warm_up: Vec<Value> = configured
            .warm_up
            .iter()
            .filter_map(|request| document("warm_up", request, observed))
            .collect();
        observed.warm_up = Some(warm_up.into());
        let listed = match case.routes.as_slice() {
            [] => Vec::new(),
            _ => self.plugin.routes(&configured.state).await?,
        };
        for route in &case.routes {
            if listed.iter().all(|other| other.path != route.path) {
                let place = format!("route {}", route.path);
                observed.defects.push(Difference::new(place, "a route of the worker's", "none"));
            }
            let body = route.body.to_string().into_bytes();
            let answer = self.plugin.handle_route(&route.path, &configured.state, &body).await?;
            let answer = document("route", &answer, observed).unwrap_or_default();
            observed.routes.push(answer);
        }
        let Some(request) = &case.request else { return Ok(()) };
        let worker = Worker::new(
            self.plugin.clone(),
            configured.state,
            script.clone(),
            Drawn(fresh(&case.fresh)),
        )
        .with_adapters(case.adapters.clone().unwrap_or_default().into());
        if case.context.shutting_down {
            worker.leave();
        }
        let served = respond(&worker, request, &case.context, observed).await;
        settle().await;
        served
    }
}

/// Sends the request and takes the response as a client would.
async fn respond(
    worker: &Worker<Script>,
    request: &Value,
    context: &case::Context,
    observed: &mut Observed,
) -> Result<(), Failure> {
    let (leave, left) = oneshot::channel::<()>();
    let mut leave = Some(leave);
    let mut leave_after = |chunks: usize| {
        if context.cancel_after_chunks == Some(chunks) {
            leave.take();
        }
    };
    leave_after(0);
    let payload = values::to_msgpack(request).map_err(Failure::internal)?;
    let incoming = Incoming {
        id: context.id.clone(),
        payload: Bytes::from(payload),
        codec: Codec::Msgpack,
        trace_headers: context.trace_headers.clone().into_iter().collect(),
        probe: context.probe,
        // Resolves, with an error, when the other end is dropped.
        cancelled: Box::pin(async move { left.await.unwrap_or_default() }),
    };
    let mut response = worker.respond(incoming).await?;
    while let Some(chunk) = response.next().await {
        match values::from_msgpack(&chunk?) {
            Ok(chunk) => observed.chunks.push(chunk),
            Err(why) => {
                let place = format!("chunk {}", observed.chunks.len() + 1);
                observed.defects.push(Difference::new(place, "one MessagePack value", why));
                observed.chunks.push(Value::Null);
            }
        }
        leave_after(observed.chunks.len());
    }
    Ok(())
}

/// Waits until nothing runs beside us: aborts are sent by tasks of their own.
async fn settle() {
    let metrics = Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Draws the same values each time.
struct Drawn(Fresh);

impl FreshSource for Drawn {
    fn draw(&self) -> Fresh {
        self.0.clone()
    }
}

struct NoMetrics;

impl MetricSink for NoMetrics {
    fn record(&self, _metric: u32, _value: f64, _labels: &[String]) {}

    fn instance_grew(&self, _bytes: usize) {}

    fn called(&self, _export: &'static str, _computed: Duration, _fault: Option<Fault>) {}
}

fn fresh(fresh: &case::Fresh) -> Fresh {
    Fresh {
        request_id: fresh.request_id.clone(),
        bootstrap_room: fresh.bootstrap_room,
        seed: fresh.seed,
        unix_millis: fresh.unix_millis,
    }
}

fn start(settings: Vec<u8>, start: Option<&case::Start>) -> Start {
    let defaults = case::Start::default();
    let start = start.unwrap_or(&defaults);
    Start {
        settings,
        model_path: start.model_path.clone(),
        served_name: start.served_name.clone(),
        arguments: start.arguments.clone(),
        host: start.host.clone(),
        port: start.port,
        scratch: start.scratch.clone(),
    }
}

fn report(engine: &case::Engine) -> EngineReport {
    let documents = |of: &std::collections::BTreeMap<String, Value>| {
        of.iter().map(|(name, value)| (name.clone(), value.to_string().into_bytes())).collect()
    };
    let served_name = match engine.served_name.as_str() {
        "" => &engine.model_path,
        name => name,
    };
    EngineReport {
        model_path: engine.model_path.clone(),
        served_name: served_name.into(),
        address: engine.address.clone(),
        answers: documents(&engine.answers),
        files: documents(&engine.files),
    }
}

/// A setup in the words of a case; an empty object if there is no engine.
fn setup(setup: Option<Setup>) -> Value {
    let Some(setup) = setup else { return json!({}) };
    let environment: Map<String, Value> =
        setup.environment.into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({
        "program": setup.program,
        "arguments": setup.arguments,
        "environment": environment,
        "ready": setup.contact.ready,
        "reports": setup.contact.reports,
        "model_files": setup.contact.model_files,
        "metrics": setup.contact.metrics.map(|of| json!({"path": of.path, "prefix": of.prefix})),
    })
}

/// A JSON document the plugin made; none, and a defect, if it is not one.
fn document(what: &str, bytes: &[u8], observed: &mut Observed) -> Option<Value> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            observed.defects.push(Difference::new(what, "JSON", error.to_string()));
            None
        }
    }
}
