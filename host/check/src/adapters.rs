//! LoRA adapters as a case scripts them: what the plugin has the host do is an exchange like one
//! with the engine, with the method `HOST`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dynamo_host_plugin::{Adapter, AdapterStore, Failure, Kind, adapter_id};
use serde_json::{Value, json};

use crate::script::Script;

/// The adapters behind the plugin's import. Clones are one store.
#[derive(Clone, Default)]
pub(crate) struct ScriptedAdapters {
    current: Arc<Mutex<Current>>,
}

#[derive(Default)]
struct Current {
    script: Option<Script>,
    /// None if the operator has not enabled adapters.
    published: Option<Vec<Adapter>>,
}

impl ScriptedAdapters {
    /// Begins a case with the adapters named, which are published already.
    pub(crate) fn play(&self, script: &Script, names: Option<&[String]>) {
        let adapter = |name: &String| Adapter {
            name: name.clone(),
            id: adapter_id(name),
            path: format!("/adapters/{name}"),
        };
        let mut current = self.current();
        current.script = Some(script.clone());
        current.published = names.map(|names| names.iter().map(adapter).collect());
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was asked for, and gives the case's answer: a status that is not 2xx is a failure.
    async fn ask(&self, what: &str, body: Value) -> Result<Value, Failure> {
        let script = {
            let current = self.current();
            if current.published.is_none() {
                return Err(Failure::new(Kind::NotImplemented, "adapters are not enabled"));
            }
            current.script.clone().ok_or_else(|| Failure::unavailable("there is no case"))?
        };
        let (status, answer) = script.ask_host(&format!("/adapters/{what}"), body).await?;
        match status {
            200..=299 => Ok(answer),
            _ => Err(Failure::new(
                Kind::Unavailable,
                answer.as_str().map_or_else(|| answer.to_string(), String::from),
            )),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Adapter>)) {
        if let Some(published) = &mut self.current().published {
            change(published);
        }
    }
}

#[async_trait]
impl AdapterStore for ScriptedAdapters {
    fn published(&self) -> Result<Vec<Adapter>, Failure> {
        self.current()
            .published
            .clone()
            .ok_or_else(|| Failure::new(Kind::NotImplemented, "adapters are not enabled"))
    }

    async fn fetch(&self, uri: &str) -> Result<String, Failure> {
        let answer = self.ask("fetch", json!({"uri": uri})).await?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    async fn publish(&self, adapter: Adapter, max_loaded: Option<u32>) -> Result<(), Failure> {
        let body = json!({"name": adapter.name, "id": adapter.id, "max_loaded": max_loaded});
        self.ask("publish", body).await?;
        self.change(|published| published.push(adapter));
        Ok(())
    }

    async fn withdraw(&self, name: &str) -> Result<(), Failure> {
        self.ask("withdraw", json!({"name": name})).await?;
        self.change(|published| published.retain(|adapter| adapter.name != name));
        Ok(())
    }
}
