//! Answers in several steps, with media that pass it by.
#![allow(missing_docs)]

use std::time::Duration;

use dynamo_worker_sdk::media::Blob;
use dynamo_worker_sdk::peers;
use dynamo_worker_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct TakesSteps;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Asked {
    /// Submit a job, ask until it is done, take what it made.
    Job,
    /// Take the media out of a JSON answer.
    Lift,
    /// The same, and send each back to the engine.
    Return { form: bool },
    /// Hand on what another worker says.
    Relay { peer: String },
}

impl Worker for TakesSteps {
    type Settings = IgnoredAny;
    type Converter = Steps;

    fn describe() -> Manifest {
        Manifest::new("takes_steps", "0.1.0", "test")
    }

    fn configure(_: IgnoredAny, _: EngineReport) -> Result<Self> {
        Ok(TakesSteps)
    }

    fn registration(&self) -> Result<Registration> {
        guests::registration()
    }

    fn health_check(&self) -> Result<Json> {
        Ok(json!({"do": "lift"}))
    }

    fn plan(&self, request: &Request, _: &Prompt) -> Result<Plan<Steps>> {
        let asked = request.parse()?;
        let first = match &asked {
            Asked::Job => Step::call(Call::post("/jobs", &json!({}))?.tokens_as("ids")),
            Asked::Lift | Asked::Return { .. } => Step::call(Call::get("/media").lift("b64")),
            Asked::Relay { peer } => Step::peer(peers::open(peer, &json!({}))?),
        };
        Ok(Plan::begin(first, Steps { asked, media: Vec::new() }))
    }
}

pub struct Steps {
    asked: Asked,
    media: Vec<Blob>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    status: String,
}

impl Steps {
    fn job(&self, event: &[u8]) -> Result<Flow> {
        let Job { id, status } = parse_event(event)?;
        let path = format!("/jobs/{id}");
        Ok(Flow::then(match status.as_str() {
            "done" => Step::call(Call::get(&format!("{path}/content")).medium()),
            _ => {
                let abort = Call { method: "DELETE".into(), ..Call::get(&path) };
                Step::call(Call::get(&path)).after(Duration::from_millis(250)).abort_with(abort)
            }
        }))
    }
}

impl Converter for Steps {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match &self.asked {
            Asked::Job => return self.job(event),
            Asked::Relay { .. } => chunks.send_encoded(event.to_vec()),
            Asked::Lift => {
                chunks.send(&parse_event::<Json>(event)?)?;
                for medium in self.media.drain(..) {
                    chunks.send_with(&json!({"data": [{"b64": null}]}), "/data/0/b64", medium)?;
                }
            }
            Asked::Return { form } => {
                let Some(medium) = self.media.pop() else {
                    chunks.send(&parse_event::<Json>(event)?)?;
                    return Ok(Flow::Continue);
                };
                let call = Call::post("/upload", &json!({"image": null, "n": 1}))?;
                let call = call.inlay("/image", medium, InlayForm::DataUrl);
                return Ok(Flow::then(Step::call(if *form { call.form() } else { call })));
            }
        }
        Ok(Flow::Continue)
    }

    fn medium(&mut self, medium: Blob, chunks: &mut Chunks) -> Result<Flow> {
        if !matches!(self.asked, Asked::Job) {
            self.media.push(medium);
            return Ok(Flow::Continue);
        }
        let about = json!({"b64": null, "type": medium.content_type(), "size": medium.size()});
        chunks.send_with(&about, "/b64", medium)?;
        Ok(Flow::Done)
    }

    fn rejected(&mut self, status: u16, _: &[u8], chunks: &mut Chunks) -> Result<()> {
        chunks.send(&json!({"rejected": status}))
    }
}

dynamo_worker_sdk::export!(TakesSteps);
