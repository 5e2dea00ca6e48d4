//! From the SDK's traits to the contract's exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::dynamo::worker::handles;
use crate::bindings::dynamo::worker::prompt::Tokens;
use crate::bindings::exports::dynamo::worker::worker as contract;
use crate::bindings::routed::exports::dynamo::worker::routes;
use crate::media::Blob;
use crate::{
    Chunks, Converter, EngineReport, Error, Failure, Flow, Manifest, Plan, Prompt, Request, Result,
    Route, Routes, Setup, Start, Step, Worker,
};

/// Makes a [`Worker`] the component's export: `export!(MyWorker);`, once per crate. A worker that
/// implements [`Routes`], too, writes `export!(MyWorker, routes);`.
#[macro_export]
macro_rules! export {
    ($worker:ty, routes) => {
        $crate::export!($worker);

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Exported = $crate::Adapter<$worker>;
            $crate::bindings::routed::export_routes_bindings!(
                Exported with_types_in $crate::bindings::routed
            );
        };
    };
    ($worker:ty) => {
        // Natively the type is tested as it is; the exports exist only in the component.
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Exported = $crate::Adapter<$worker>;
    $crate::bindings::export_bindings!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Carries a [`Worker`] as the contract wants it. Used by [`export!`](crate::export).
#[derive(Debug)]
pub struct Adapter<W>(PhantomData<W>);

/// The resource `converter`.
#[derive(Debug)]
pub struct ConverterOf<C>(RefCell<C>);

impl<W: Worker> contract::Guest for Adapter<W> {
    type Converter = ConverterOf<W::Converter>;

    fn describe() -> Manifest {
        W::describe()
    }

    fn prepare(start: Start) -> Result<Option<Setup>, Failure> {
        let settings = parse_settings::<W::Settings>(&start.settings)?;
        W::prepare(settings, start).map_err(Error::into_failure)
    }

    fn configure(settings: Vec<u8>, engine: EngineReport) -> Result<contract::Configured, Failure> {
        configure::<W>(&settings, engine).map_err(Error::into_failure)
    }

    fn plan(
        state: Vec<u8>,
        request: Request,
        prompt: &Tokens,
    ) -> Result<contract::ResponsePlan, Failure> {
        let plan = plan::<W>(&state, &request, prompt).map_err(Error::into_failure)?;
        if !plan.preface.inlays.is_empty() {
            return Err(Error::internal("a preface cannot hold media").into_failure());
        }
        let next = plan.next.map(Step::into_contract).transpose().map_err(Error::into_failure)?;
        Ok(contract::ResponsePlan {
            preface: plan.preface.into_encoded(),
            next,
            converter: contract::Converter::new(ConverterOf(RefCell::new(plan.converter))),
        })
    }
}

impl<W: Routes> routes::Guest for Adapter<W> {
    fn list_routes(state: Vec<u8>) -> Result<Vec<Route>, Failure> {
        let worker = rmp_serde::from_slice::<W>(&state);
        worker.map(|worker| worker.routes()).map_err(|error| Error::from(error).into_failure())
    }

    fn handle(path: String, state: Vec<u8>, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        handle::<W>(&path, &state, &body).map_err(Error::into_failure)
    }
}

fn handle<W: Routes>(path: &str, state: &[u8], body: &[u8]) -> Result<Vec<u8>> {
    let body = serde_json::from_slice(body)
        .map_err(|error| Error::invalid_request(format!("the body is not JSON: {error}")))?;
    let worker = rmp_serde::from_slice::<W>(state)?;
    Ok(worker.handle(path, body)?.to_string().into_bytes())
}

fn configure<W: Worker>(settings: &[u8], engine: EngineReport) -> Result<contract::Configured> {
    let worker = W::configure(parse_settings(settings).map_err(Error::from_failure)?, engine)?;
    Ok(contract::Configured {
        state: rmp_serde::to_vec(&worker)?,
        registration: worker.registration()?,
        health_check: worker.health_check()?.to_string().into_bytes(),
        warm_up: worker
            .warm_up()?
            .into_iter()
            .map(|request| request.to_string().into_bytes())
            .collect(),
    })
}

fn plan<W: Worker>(state: &[u8], request: &Request, prompt: &Tokens) -> Result<Plan<W::Converter>> {
    rmp_serde::from_slice::<W>(state)?.plan(request, &Prompt::Host(prompt))
}

impl<C: Converter> contract::GuestConverter for ConverterOf<C> {
    fn push(&self, events: Vec<Vec<u8>>) -> contract::Output {
        let mut converter = self.0.borrow_mut();
        let mut chunks = Chunks::default();
        for event in &events {
            match converter.event(event, &mut chunks) {
                Ok(Flow::Continue) => {}
                flow => return output(chunks, flow, &*converter),
            }
        }
        output(chunks, Ok(Flow::Continue), &*converter)
    }

    fn deliver(&self, medium: handles::Blob) -> contract::Output {
        let mut converter = self.0.borrow_mut();
        let mut chunks = Chunks::default();
        let flow = converter.medium(Blob::from_handle(medium), &mut chunks);
        output(chunks, flow, &*converter)
    }

    fn finish(&self) -> contract::Output {
        let mut converter = self.0.borrow_mut();
        let mut chunks = Chunks::default();
        let finished = converter.finish(&mut chunks);
        output(chunks, finished.map(|()| Flow::Done), &Idle)
    }

    fn rejected(&self, status: u16, body: Vec<u8>) -> contract::Output {
        let mut chunks = Chunks::default();
        let rejected = self.0.borrow_mut().rejected(status, &body, &mut chunks);
        output(chunks, rejected.map(|()| Flow::Done), &Idle)
    }
}

/// After the end of an answer: whatever the converter thinks, the engine is done.
struct Idle;

impl Converter for Idle {
    fn event(&mut self, _: &[u8], _: &mut Chunks) -> Result<Flow> {
        Ok(Flow::Done)
    }

    fn engine_is_done(&self) -> bool {
        true
    }
}

/// What the host gets to know of a batch.
fn output(mut chunks: Chunks, flow: Result<Flow>, converter: &impl Converter) -> contract::Output {
    let inlays = std::mem::take(&mut chunks.inlays);
    let inlays = inlays
        .into_iter()
        .map(|(chunk, inlay)| Ok(contract::ChunkInlay { chunk, inlay: inlay.into_contract()? }));
    let (inlays, flow) = match inlays.collect::<Result<Vec<_>>>() {
        Ok(inlays) => (inlays, flow),
        Err(error) => (Vec::new(), Err(error)),
    };
    let (next, failure, over) = match flow.and_then(|flow| match flow {
        Flow::Continue => Ok((None, false)),
        Flow::Then(step) => Ok((Some(step.into_contract()?), false)),
        Flow::Done => Ok((None, true)),
    }) {
        Ok((next, over)) => (next, None, over),
        Err(error) => (None, Some(error.into_failure()), true),
    };
    let end = over.then(|| contract::Ending { failure, engine_done: converter.engine_is_done() });
    contract::Output { chunks: chunks.into_encoded(), inlays, next, end }
}

fn parse_settings<S: DeserializeOwned>(settings: &[u8]) -> Result<S, Failure> {
    let mut json = serde_json::Deserializer::from_slice(settings);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        Error::invalid_request(format!("setting {}: {}", error.path(), error.inner()))
            .into_failure()
    })
}
