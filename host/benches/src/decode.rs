//! The plugin `decode`, with what its `configure` made of an engine's report.

use std::path::Path;
use std::sync::Arc;

use dynamo_host_plugin::{Artifact, EngineReport, Grant, Grants, Held, Plugin, Runtime, Session};

use crate::sample::request;

/// A request, less its tokens.
const BODY: &str = r#"{"model":"llama","stop_conditions":{"max_tokens":512,"stop_token_ids":[2]},
    "sampling_options":{"temperature":0.7,"top_p":0.9},"output_options":{"logprobs":20},
    "eos_token_ids":[2],"annotations":[]}"#;

/// The plugin, ready for requests.
pub struct Decode {
    /// Makes instances.
    pub plugin: Plugin,
    /// What requests are planned from.
    pub state: Vec<u8>,
}

impl Decode {
    /// Loads the component `file`.
    pub async fn load(runtime: &Runtime, file: &Path) -> Self {
        let artifact = Artifact::read(file).await.unwrap();
        let plugin = Plugin::load(runtime, &artifact, &Grants::only(Grant::ALL)).await.unwrap();
        let report = EngineReport {
            model_path: "/models/llama".into(),
            served_name: "llama".into(),
            address: "127.0.0.1".into(),
            answers: vec![("/server_info".into(), br#"{"disaggregation_mode":"null"}"#.to_vec())],
            files: vec![("config.json".into(), br#"{"vocab_size":32000}"#.to_vec())],
        };
        let state = plugin.configure(&b"{}".to_vec(), report).await.unwrap().state;
        Decode { plugin, state }
    }

    /// An instance that has planned one request with this prompt.
    pub async fn planned(&self, prompt: Arc<[u32]>) -> Session {
        let mut session = self.plugin.session().await.unwrap();
        let request = request(BODY, Some(prompt.len() as u32));
        session.plan(&self.state, &request, prompt, Held::default()).await.unwrap();
        session
    }
}
