//! What an author implements.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::media::Blob;
use crate::{
    Call, Card, Chunks, EngineReport, Error, Manifest, Prompt, Registration, Request, Result,
    Route, Setup, Start, Step,
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

    /// How to start and how to meet the engine. By default there is none: other workers answer.
    fn prepare(settings: Self::Settings, start: Start) -> Result<Option<Setup>> {
        let _ = (settings, start);
        Ok(None)
    }

    /// Configures the worker from what the ready engine reports about itself.
    fn configure(settings: Self::Settings, engine: EngineReport) -> Result<Self>;

    /// How the worker stands in Dynamo's discovery.
    ///
    /// By default what stands on the [`card`](Worker::card).
    fn registration(&self) -> Result<Registration> {
        self.card().ok_or_else(no_card)?.registration()
    }

    /// A request that costs little and passes through the whole worker.
    ///
    /// By default what stands on the [`card`](Worker::card).
    fn health_check(&self) -> Result<serde_json::Value> {
        self.card().ok_or_else(no_card)?.health_check()
    }

    /// Both of these, for a worker that finds them out while it is configured.
    fn card(&self) -> Option<&Card> {
        None
    }

    /// Requests the host sends through the worker before it serves, all at once. None by default.
    fn warm_up(&self) -> Result<Vec<serde_json::Value>> {
        Ok(Vec::new())
    }

    /// Turns one request into an engine call, or another worker's response.
    fn plan(&self, request: &Request, prompt: &Prompt) -> Result<Plan<Self::Converter>>;
}

fn no_card() -> Error {
    Error::internal("the worker says neither how it is registered nor what its card is")
}

/// What operators ask of the worker, to control its engine
/// ([`send_to_engine`](crate::send_to_engine)): HTTP routes under `/engine/` on the host's system
/// server, or endpoints of their own in Dynamo. Exported with `export!(MyWorker, routes);`.
pub trait Routes: Worker {
    /// The routes there are.
    fn routes(&self) -> Vec<Route>;

    /// Answers one call of the route `path`; `body` is `{}` when the caller sent none.
    fn handle(&self, path: &str, body: serde_json::Value) -> Result<serde_json::Value>;
}

/// Turns the engine's events into response chunks.
pub trait Converter: 'static {
    /// One event of the engine's answer. Chunks sent before an error are still delivered.
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow>;

    /// A medium of the engine's answer, which the call asked to have kept ([`Call::medium`],
    /// [`Call::lift`]).
    fn medium(&mut self, medium: Blob, chunks: &mut Chunks) -> Result<Flow> {
        let _ = (medium, chunks);
        Err(Error::internal("this worker asks for no media"))
    }

    /// Whether the engine has nothing left to do for this request. Asked when the response ends
    /// while the engine's stream has not: if not, the host sends the step's abort.
    fn engine_is_done(&self) -> bool {
        false
    }

    /// The source has ended without [`Flow::Done`] or [`Flow::Then`].
    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        let _ = chunks;
        Ok(())
    }

    /// The engine answered with a status that is not 2xx. The response ends with the chunks sent
    /// here, or with the error.
    ///
    /// The default takes the engine's word for whose fault it was: 4xx is the caller's, with the
    /// engine's message, the rest the engine's.
    fn rejected(&mut self, status: u16, body: &[u8], chunks: &mut Chunks) -> Result<()> {
        let _ = chunks;
        Err(Error::from_engine(status, body))
    }
}

/// Whether a response goes on after an event.
#[derive(Debug)]
pub enum Flow {
    /// More may come.
    Continue,
    /// The response goes on with another step. What the present source would still say is not
    /// wanted.
    Then(Box<Step>),
    /// The response is complete, and what the engine still sends is not wanted. Not needed at an
    /// end-of-stream marker: there the stream ends by itself.
    Done,
}

impl Flow {
    /// Goes on with `step`.
    pub fn then(step: Step) -> Self {
        Flow::Then(Box::new(step))
    }
}

/// What to do with one request.
#[derive(Debug)]
pub struct Plan<C> {
    /// Chunks sent before the first step. They hold no media.
    pub preface: Chunks,
    /// How the request is answered; none if the preface is the answer.
    pub next: Option<Step>,
    /// Takes the events.
    pub converter: C,
}

impl<C> Plan<C> {
    /// A plan that calls the engine.
    pub fn new(call: Call, converter: C) -> Self {
        Plan::begin(Step::call(call), converter)
    }

    /// A plan that begins with `step`.
    pub fn begin(step: Step, converter: C) -> Self {
        Plan { preface: Chunks::default(), next: Some(step), converter }
    }

    /// A plan whose answer is ready.
    pub fn answered(preface: Chunks, converter: C) -> Self {
        Plan { preface, next: None, converter }
    }

    /// Adds the call that tells the engine to give up.
    pub fn abort_with(mut self, abort: Call) -> Self {
        self.next = self.next.map(|step| step.abort_with(abort));
        self
    }
}
