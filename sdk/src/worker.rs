//! What an author implements.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Call, Chunks, EngineReport, Error, Manifest, Prompt, Registration, Request, Result, Route,
    Setup, Start,
};

/// One worker type. See `wit/` for when the host calls what.
///
/// The type itself is what the worker knows once its engine is ready. It is made once, by
/// [`configure`](Worker::configure), and then kept by the host in serialized form: each request
/// runs in a fresh instance that reads it back. Keep it small.
pub trait Worker: Serialize + DeserializeOwned + Sized + 'static {
    /// The operator's settings this plugin reads: Dynamo's flags by their names with `_` for `-`,
    /// and the plugin's own. Unknown members are there too: do not deny them.
    type Settings: DeserializeOwned;

    /// The state of one response.
    type Converter: Converter;

    /// Who the plugin is.
    fn describe() -> Manifest;

    /// How to start and how to meet the engine.
    fn prepare(settings: Self::Settings, start: Start) -> Result<Setup>;

    /// Configures the worker from what the ready engine reports about itself.
    fn configure(settings: Self::Settings, engine: EngineReport) -> Result<Self>;

    /// How the worker stands in Dynamo's discovery.
    fn registration(&self) -> Result<Registration>;

    /// A request that costs little and passes through the whole worker.
    fn health_check(&self) -> Result<serde_json::Value>;

    /// Requests the host sends through the worker before it serves, all at once. None by default.
    fn warm_up(&self) -> Result<Vec<serde_json::Value>> {
        Ok(Vec::new())
    }

    /// Turns one request into an engine call.
    fn plan(&self, request: &Request, prompt: &Prompt) -> Result<Plan<Self::Converter>>;
}

/// What operators ask of the worker, to control its engine
/// ([`send_to_engine`](crate::send_to_engine)): HTTP routes under `/engine/` on the host's system
/// server, or endpoints of their own in Dynamo. Exported with `export!(MyWorker, routes);`.
pub trait Routes: Worker {
    /// The routes there are.
    fn routes() -> Vec<Route>;

    /// Answers one call of the route `path`; `body` is `{}` when the caller sent none.
    fn handle(&self, path: &str, body: serde_json::Value) -> Result<serde_json::Value>;
}

/// Turns the engine's events into response chunks.
pub trait Converter: 'static {
    /// One event of the engine's answer. Chunks sent before an error are still delivered.
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow>;

    /// Whether the engine has nothing left to do for this request. Asked when the response ends
    /// while the engine's stream has not: if not, the host sends the plan's abort.
    fn engine_is_done(&self) -> bool {
        false
    }

    /// The engine's answer has ended without [`Flow::Done`].
    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        let _ = chunks;
        Ok(())
    }

    /// The engine answered with a status that is not 2xx.
    ///
    /// The default takes the engine's word for whose fault it was: 4xx is the caller's, with the
    /// engine's message, the rest the engine's.
    fn rejected(&mut self, status: u16, body: &[u8]) -> Error {
        Error::from_engine(status, body)
    }
}

/// Whether a response goes on after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More may come.
    Continue,
    /// The response is complete, and what the engine still sends is not wanted. Not needed at an
    /// end-of-stream marker: there the stream ends by itself.
    Done,
}

/// What to do with one request.
#[derive(Debug)]
pub struct Plan<C> {
    /// Chunks sent before the engine is called.
    pub preface: Chunks,
    /// The call that answers the request; none if the preface is the answer.
    pub call: Option<Call>,
    /// Sent when the response is abandoned.
    pub abort: Option<Call>,
    /// Takes what the engine answers.
    pub converter: C,
}

impl<C> Plan<C> {
    /// A plan that calls the engine.
    pub fn new(call: Call, converter: C) -> Self {
        Plan { preface: Chunks::default(), call: Some(call), abort: None, converter }
    }

    /// Adds the call that tells the engine to give up.
    pub fn abort_with(mut self, abort: Call) -> Self {
        self.abort = Some(abort);
        self
    }
}
