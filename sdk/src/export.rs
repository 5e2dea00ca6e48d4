//! From the SDK's traits to the contract's exports.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::dynamo::worker::prompt::Tokens;
use crate::bindings::exports::dynamo::worker::worker as contract;
use crate::bindings::routed::exports::dynamo::worker::routes;
use crate::{
    Chunks, Converter, EngineReport, Error, Failure, Flow, Manifest, Plan, Prompt, Request, Result,
    Route, Routes, Setup, Start, Worker,
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

    fn prepare(start: Start) -> Result<Setup, Failure> {
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
        Ok(contract::ResponsePlan {
            preface: plan.preface.into_encoded(),
            call: plan.call,
            abort: plan.abort,
            converter: contract::Converter::new(ConverterOf(RefCell::new(plan.converter))),
        })
    }
}

impl<W: Routes> routes::Guest for Adapter<W> {
    fn list_routes() -> Vec<Route> {
        W::routes()
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
            let failure = match converter.event(event, &mut chunks) {
                Ok(Flow::Continue) => continue,
                Ok(Flow::Done) => None,
                Err(error) => Some(error.into_failure()),
            };
            let end = contract::Ending { failure, engine_done: converter.engine_is_done() };
            return contract::Output { chunks: chunks.into_encoded(), end: Some(end) };
        }
        contract::Output { chunks: chunks.into_encoded(), end: None }
    }

    fn finish(&self) -> contract::Output {
        let mut chunks = Chunks::default();
        let failure = self.0.borrow_mut().finish(&mut chunks).err().map(Error::into_failure);
        let end = contract::Ending { failure, engine_done: true };
        contract::Output { chunks: chunks.into_encoded(), end: Some(end) }
    }

    fn rejected(&self, status: u16, body: Vec<u8>) -> Failure {
        self.0.borrow_mut().rejected(status, &body).into_failure()
    }
}

fn parse_settings<S: DeserializeOwned>(settings: &[u8]) -> Result<S, Failure> {
    let mut json = serde_json::Deserializer::from_slice(settings);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        Error::invalid_request(format!("setting {}: {}", error.path(), error.inner()))
            .into_failure()
    })
}
