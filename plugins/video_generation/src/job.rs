//! A job at the engine: submitted, asked after, and its video fetched.

use std::time::Duration;

use dynamo_worker_sdk::media::Blob;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::Delivery;

use crate::answer::{About, text_of};

/// Where the engine keeps its jobs.
pub(crate) const JOBS: &str = "/v1/videos";

/// Before the engine is first asked how far it is. Then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Nothing of a video is shorter than what is waited for nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Follows the job of one request to its end.
#[derive(Debug)]
pub struct Job {
    about: About,
    delivery: Delivery,
    /// A health check fails where a client reads why there is no video.
    probe: bool,
    /// The engine's path of the job, once it has one.
    path: Option<String>,
    wait: Duration,
    inference_time_s: Option<f64>,
}

/// What the engine says of a job.
#[derive(Deserialize)]
struct Report {
    id: String,
    status: String,
    error: Option<Cause>,
    inference_time_s: Option<f64>,
}

#[derive(Deserialize)]
struct Cause {
    message: Option<String>,
}

impl Job {
    pub(crate) fn new(about: About, delivery: Delivery, probe: bool) -> Self {
        let (path, wait, inference_time_s) = (None, FIRST_WAIT, None);
        Job { about, delivery, probe, path, wait, inference_time_s }
    }

    /// What comes next for a job of which the engine says this.
    fn follow(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let report: Report = parse_event(event)?;
        let path = match &self.path {
            Some(path) => path.clone(),
            None => path_of(&report.id)?,
        };
        self.path = Some(path.clone());
        match report.status.as_str() {
            "queued" | "in_progress" => {
                let step = Step::call(Call::get(&path)).after(self.wait);
                self.wait = (self.wait * 2).min(LONGEST_WAIT);
                // It makes the engine forget the job; one that can give it up would do it then.
                Ok(Flow::then(step.abort_with(forget(&path))))
            }
            "completed" => {
                self.inference_time_s = report.inference_time_s;
                let video = Call::get(&format!("{path}/content")).medium();
                Ok(Flow::then(Step::call(video).abort_with(forget(&path))))
            }
            "failed" => {
                let cause = report.error.and_then(|error| error.message);
                let cause = cause.unwrap_or_else(|| "the engine did not say why".to_owned());
                self.fail(Error::internal(cause.clone()), &cause, chunks)
            }
            other => {
                Err(Error::backend_protocol(format!("the engine's job has the status `{other}`")))
            }
        }
    }

    /// Ends the response without a video: with an answer that says `text`, or with `error`.
    fn fail(&mut self, error: Error, text: &str, chunks: &mut Chunks) -> Result<Flow> {
        if let Some(path) = self.path.take() {
            let_go(&path);
        }
        // Another worker may have an engine that lives.
        if self.probe || error.kind() == Kind::Unavailable {
            return Err(error);
        }
        chunks.send(&self.about.failed(text))?;
        Ok(Flow::Done)
    }

    fn fail_with(&mut self, error: Error, chunks: &mut Chunks) -> Result<Flow> {
        let text = text_of(&error);
        self.fail(error, &text, chunks)
    }
}

impl Converter for Job {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match self.follow(event, chunks) {
            Err(error) if error.kind() == Kind::BackendProtocol => self.fail_with(error, chunks),
            followed => followed,
        }
    }

    fn medium(&mut self, video: Blob, chunks: &mut Chunks) -> Result<Flow> {
        if self.probe && !video.content_type().starts_with("video/") {
            return self.fail_with(Error::backend_protocol("the engine's video is none"), chunks);
        }
        let sent = self.delivery.send(video, "/data/0/b64_json", chunks, |url| {
            self.about.completed(url, self.inference_time_s)
        });
        match sent {
            Err(error) => self.fail_with(error, chunks),
            Ok(()) => {
                if let Some(path) = self.path.take() {
                    let_go(&path);
                }
                Ok(Flow::Done)
            }
        }
    }

    fn rejected(&mut self, status: u16, body: &[u8], chunks: &mut Chunks) -> Result<()> {
        self.fail_with(Error::from_engine(status, body), chunks).map(|_| ())
    }

    /// It would say the same of a job it works on: there is no way to stop it.
    fn engine_is_done(&self) -> bool {
        true
    }
}

/// The path of a job. Its name is the engine's, and yet no path into something else is made of it.
fn path_of(id: &str) -> Result<String> {
    if id.is_empty()
        || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return Err(Error::backend_protocol(format!("the engine calls a job `{id}`")));
    }
    Ok(format!("{JOBS}/{id}"))
}

fn forget(path: &str) -> Call {
    Call { method: "DELETE".into(), ..Call::get(path) }
}

/// The engine remembers each job until it is told not to.
fn let_go(path: &str) {
    if let Err(error) = dynamo_worker_sdk::send_to_engine(forget(path)) {
        dynamo_worker_sdk::debug!("the engine still remembers a job: {error:?}");
    }
}
