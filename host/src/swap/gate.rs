//! What a new version must pass before it serves.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dynamo_host_plugin::{
    Artifact, Failure, Grants, Input, Kind, LoadError, Plugin, Registration, Runtime,
};
use dynamo_host_request::{Codec, Incoming};
use tokio::time::timeout;

use super::cases::{self, CasesFailed};
use super::source::SourceError;
use crate::error::HostError;
use crate::metrics::Recorded;
use crate::site::Site;
use crate::version::Version;

/// How long the engine may take to answer the health check: it is at work for others meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a new version does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It was sent back before.
    #[error(
        "this digest was sent back before: a plugin that is mended has another one, and a host that \
         is started again forgets"
    )]
    Bad,
    /// It cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no thread to compile it on.
    #[error("it cannot be compiled beside what serves: {0}")]
    Background(#[from] dynamo_host_plugin::RuntimeError),
    /// Another plugin.
    #[error(
        "it is the plugin {found}, and {expected} serves here: a swap changes a plugin's version only"
    )]
    OtherPlugin {
        /// Its name.
        found: String,
        /// The name of the one that serves.
        expected: String,
    },
    /// Its cases do not come out as they should.
    #[error(transparent)]
    Cases(#[from] CasesFailed),
    /// The plugin itself fails.
    #[error(transparent)]
    Plugin(Box<HostError>),
    /// It would have to be registered anew.
    #[error(
        "it registers another {fact} ({found}) than the version that serves ({expected}), which \
         frontends know: start the host again with it"
    )]
    Registration {
        /// What differs.
        fact: &'static str,
        /// In the new version.
        found: String,
        /// In the one that serves.
        expected: String,
    },
    /// It does not work with the engine.
    #[error("a health check through it failed: {0}")]
    HealthCheck(Failure),
    /// There is no engine to try it with.
    #[error("the engine went away each time it was tried")]
    NoEngine,
}

impl From<HostError> for Refusal {
    fn from(error: HostError) -> Self {
        Refusal::Plugin(Box::new(error))
    }
}

impl Refusal {
    /// Where it failed, in a word for metrics.
    pub fn step(&self) -> &'static str {
        match self {
            Refusal::Source(_) => "source",
            Refusal::Bad => "bad",
            Refusal::Load(_) | Refusal::Background(_) | Refusal::OtherPlugin { .. } => "load",
            Refusal::Cases(_) => "cases",
            Refusal::Plugin(_) => "configure",
            Refusal::Registration { .. } => "registration",
            Refusal::HealthCheck(_) | Refusal::NoEngine => "health_check",
        }
    }

    /// Whether an engine that went away meanwhile may be the reason.
    pub(super) fn may_be_the_engines(&self) -> bool {
        matches!(self, Refusal::Plugin(_) | Refusal::HealthCheck(_))
    }
}

/// What the gate needs to know of one plugin.
#[derive(Clone)]
pub struct Gate {
    /// What runs it.
    pub runtime: Runtime,
    /// What it may import.
    pub grants: Grants,
    /// The operator's cases for it.
    pub cases: Vec<PathBuf>,
    /// Its place on the command line.
    pub position: usize,
    /// Where it records.
    pub recorded: Option<Arc<Recorded>>,
}

impl Gate {
    /// Makes a version of `artifact` that may follow `serving`, or says why not. Nothing that serves
    /// notices.
    pub(super) async fn admit(
        &self,
        site: &Site,
        serving: &Version,
        artifact: Artifact,
    ) -> Result<Version, Refusal> {
        // The one place where bytes become a plugin: digest, signature, code, contract and grants.
        let runtime = self.runtime.in_background()?;
        let plugin = Plugin::load(&runtime, &artifact, &self.grants).await?;
        let (found, expected) = (&plugin.manifest().name, &serving.plugin().manifest().name);
        if found != expected {
            let (found, expected) = (found.clone(), expected.clone());
            return Err(Refusal::OtherPlugin { found, expected });
        }
        cases::check(&plugin, &artifact, &self.cases).await?;

        let recorders = self.recorded.as_ref().map(|it| it.recorders(plugin.manifest()));
        plugin.connect(site.hooks(recorders));
        let contact = site.contact(&plugin).await?;
        let version = Version::configure(site, plugin, artifact, contact).await?.after(serving);
        self.compare(site, &version, serving)?;
        match timeout(PATIENCE, ask(&version)).await {
            Ok(Ok(())) => Ok(version),
            Ok(Err(failure)) => Err(Refusal::HealthCheck(failure)),
            Err(_) => {
                let waited = format!("no answer in {} s", PATIENCE.as_secs());
                Err(Refusal::HealthCheck(Failure::new(Kind::DeadlineExceeded, waited)))
            }
        }
    }

    /// Holds what the new version registers against what frontends have been told.
    fn compare(&self, site: &Site, found: &Version, serving: &Version) -> Result<(), Refusal> {
        let endpoint = |version: &Version| {
            let component = &version.registration().component;
            site.arguments.endpoint(self.position, component).to_string()
        };
        let facts = [("endpoint", endpoint(found), endpoint(serving))];
        let found_facts = card_facts(found.registration());
        let more = found_facts.into_iter().zip(card_facts(serving.registration()));
        let more = more.map(|((fact, found), (_, expected))| (fact, found, expected));
        for (fact, found, expected) in facts.into_iter().chain(more) {
            if found != expected {
                return Err(Refusal::Registration { fact, found, expected });
            }
        }
        if found.registration().runtime_config != serving.registration().runtime_config {
            tracing::warn!(
                "the new version describes the engine otherwise (runtime_config): frontends see that \
                 when the host is started again"
            );
        }
        Ok(())
    }
}

/// What a frontend goes by when it sends requests, in words.
fn card_facts(registration: &Registration) -> [(&'static str, String); 5] {
    let mut types: Vec<String> =
        registration.model_types.iter().map(|kind| kind.to_lowercase()).collect();
    types.sort();
    let input = match registration.input {
        Input::Tokens => "tokens",
        Input::Text => "text",
        Input::Tensor => "tensor",
    };
    [
        ("model type", types.join(", ")),
        ("input", input.to_owned()),
        ("worker type", registration.worker_type.clone()),
        ("set of workers it needs", format!("{:?}", registration.needs)),
        ("KV-cache block size", registration.kv_cache_block_size.to_string()),
    ]
}

/// Sends the health check through `version`, to the end of its answer.
async fn ask(version: &Version) -> Result<(), Failure> {
    let incoming = Incoming {
        id: "swap-check".into(),
        payload: version.health_check().to_string().into(),
        codec: Codec::Json,
        trace_headers: Vec::new(),
        probe: true,
        cancelled: Box::pin(pending()),
    };
    let mut response = version.worker().respond(incoming).await?;
    let mut chunks = 0;
    while let Some(chunk) = response.next().await {
        chunk?;
        chunks += 1;
    }
    match chunks {
        0 => Err(Failure::unavailable("it was answered without a chunk")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration() -> Registration {
        Registration {
            model_types: vec!["Chat".into(), "completions".into()],
            input: Input::Text,
            worker_type: "aggregated".into(),
            needs: Vec::new(),
            component: "backend".into(),
            kv_cache_block_size: 0,
            runtime_config: b"{}".to_vec(),
            concurrency: None,
        }
    }

    fn differing(found: &Registration) -> Vec<&'static str> {
        let facts = card_facts(found).into_iter().zip(card_facts(&registration()));
        facts.filter(|(found, expected)| found != expected).map(|((fact, _), _)| fact).collect()
    }

    #[test]
    fn what_frontends_go_by_must_stay() {
        let types = vec!["completions".into(), "chat".into()];
        assert!(differing(&Registration { model_types: types, ..registration() }).is_empty());
        let types = vec!["chat".into()];
        let other = Registration { model_types: types, input: Input::Tokens, ..registration() };
        assert_eq!(differing(&other), ["model type", "input"]);
        let other = Registration { kv_cache_block_size: 16, ..registration() };
        assert_eq!(differing(&other), ["KV-cache block size"]);
    }
}
