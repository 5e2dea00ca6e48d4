//! Short ways to write down what the contract's records hold.

use serde::Serialize;

use crate::{
    Contact, EngineReport, Exposition, Input, Isolation, Manifest, Metric, Registration, Result,
    Setup,
};

impl Manifest {
    /// A manifest with a fresh instance for every request and no metrics.
    pub fn new(name: &str, version: &str, worker_type: &str) -> Self {
        Manifest {
            name: name.into(),
            version: version.into(),
            worker_type: worker_type.into(),
            summary: String::new(),
            settings_schema: None,
            metrics: Vec::new(),
            isolation: Isolation::Fresh,
        }
    }

    /// One line that says what the plugin serves and with which engine.
    pub fn summary(mut self, summary: &str) -> Self {
        self.summary = summary.into();
        self
    }

    /// What the plugin records ([`metrics`](crate::metrics)), by its position.
    pub fn metrics(mut self, metrics: Vec<Metric>) -> Self {
        self.metrics = metrics;
        self
    }

    /// JSON Schema of the plugin's own settings.
    pub fn settings_schema(mut self, schema: serde_json::Value) -> Self {
        self.settings_schema = Some(schema.to_string().into_bytes());
        self
    }
}

impl Contact {
    /// Ready once a GET of `path` answers 2xx; no reports, no files.
    pub fn ready_at(path: &str) -> Self {
        Contact { ready: path.into(), reports: Vec::new(), model_files: Vec::new(), metrics: None }
    }

    /// Shows the engine's numbers among the host's: what a GET of `path` answers in Prometheus' text
    /// format, as far as names begin with `prefix`.
    pub fn metrics(mut self, path: &str, prefix: &str) -> Self {
        self.metrics = Some(Exposition { path: path.into(), prefix: prefix.into() });
        self
    }

    /// Asks for the JSON at `path` once the engine is ready.
    pub fn report(mut self, path: &str) -> Self {
        self.reports.push(path.into());
        self
    }

    /// Asks for a JSON file of the model.
    pub fn model_file(mut self, name: &str) -> Self {
        self.model_files.push(name.into());
        self
    }
}

impl Setup {
    /// A program and its first words.
    pub fn new<const N: usize>(program: [&str; N], contact: Contact) -> Self {
        Setup {
            program: program.map(String::from).to_vec(),
            arguments: Vec::new(),
            environment: Vec::new(),
            contact,
        }
    }

    /// A flag with a value.
    pub fn argument(mut self, flag: &str, value: impl ToString) -> Self {
        self.arguments.extend([flag.into(), value.to_string()]);
        self
    }

    /// A flag without a value.
    pub fn flag(mut self, flag: &str) -> Self {
        self.arguments.push(flag.into());
        self
    }

    /// Words as they are: the operator's, usually.
    pub fn arguments(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(words);
        self
    }

    /// An environment variable.
    pub fn environment(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.into(), value.to_string()));
        self
    }
}

impl Registration {
    /// A worker that needs no other, on the component `backend`.
    pub fn aggregated<const N: usize>(model_types: [&str; N], input: Input) -> Self {
        Registration {
            model_types: model_types.map(String::from).to_vec(),
            input,
            worker_type: "aggregated".into(),
            needs: Vec::new(),
            component: "backend".into(),
            kv_cache_block_size: 0,
            runtime_config: b"{}".to_vec(),
            concurrency: None,
        }
    }

    /// Sets the model card's `runtime_config`, an object.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::Kind) if `config` does not serialize.
    pub fn runtime_config(mut self, config: &impl Serialize) -> Result<Self> {
        self.runtime_config = serde_json::to_vec(config)?;
        Ok(self)
    }
}

impl EngineReport {
    /// What the engine answered at `path`; null if it did not.
    pub fn answer(&self, path: &str) -> serde_json::Value {
        json_of(&self.answers, path)
    }

    /// What stands in the model's file; null if there is none.
    pub fn file(&self, name: &str) -> serde_json::Value {
        json_of(&self.files, name)
    }
}

fn json_of(documents: &[(String, Vec<u8>)], name: &str) -> serde_json::Value {
    documents
        .iter()
        .find(|(at, _)| at == name)
        .and_then(|(_, json)| serde_json::from_slice(json).ok())
        .unwrap_or_default()
}
