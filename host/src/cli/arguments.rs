//! The configuration that comes of flags, variables and files.

use std::path::PathBuf;
use std::sync::Arc;

use dynamo_host_plane::EndpointId;
use serde_json::{Map, Value};
use tempfile::TempPath;

use super::choice::WorkerType;
use super::export::Exports;
use super::flags::Flags;

/// What the host is to do.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The flags as given, for what needs no more thought.
    pub flags: Flags,
    /// The worker type. None if a plugin is named and no worker type is.
    pub worker_type: Option<WorkerType>,
    /// The plugins: files, or names to look up. The first one prepares the engine.
    pub plugins: Vec<String>,
    /// The model, as the engine takes it.
    pub model_path: Option<String>,
    /// The name clients ask for, and its aliases.
    pub served_names: Vec<String>,
    /// The namespace, its suffix included.
    pub namespace: String,
    /// Where the first plugin stands. None if that is for the plugin to say.
    pub endpoint: Option<EndpointId>,
    /// A chat template to use instead of the model's.
    pub custom_jinja_template: Option<PathBuf>,
    /// The health check to use instead of the plugin's.
    pub health_check: Option<Value>,
    /// How the frontend guides tool calls; null if it does not.
    pub structural_tag: Value,
    /// What the frontend is told of how to route to the worker. None: it goes by its own flags.
    pub router_config: Option<Value>,
    /// The words for the engine.
    pub engine_arguments: Vec<String>,
    /// Whether the engine is to be told a free port for the transfer of KV caches.
    pub needs_bootstrap_port: bool,
    /// Variables that Dynamo's runtime and the engine must see.
    pub exports: Exports,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// All flags, with where they are from.
    pub(super) flag_values: Value,
    /// The engine's `--config`, if it is ours. It vanishes with the last of these.
    pub(super) config_file: Option<Arc<TempPath>>,
}

impl Arguments {
    /// What the plugin gets as its settings: Dynamo's flags by their names, then its own.
    pub fn settings(&self) -> Value {
        let mut settings = Map::new();
        for group in
            [serde_json::to_value(&self.flags.frontend), serde_json::to_value(&self.flags.media)]
        {
            if let Ok(Value::Object(members)) = group {
                settings.extend(members);
            }
        }
        settings.insert("structural_tag".into(), self.structural_tag.clone());
        // Where a plugin looks for other workers.
        settings.insert("namespace".into(), self.namespace().into());
        settings.extend(self.flags.plugin.plugin_settings.iter().cloned());
        Value::Object(settings)
    }

    /// Where the plugin at `position` stands if it names `component`. An endpoint that is given is
    /// the first one's; the others stand beside it, in the same namespace.
    pub fn endpoint(&self, position: usize, component: &str) -> EndpointId {
        match &self.endpoint {
            Some(endpoint) if position == 0 => endpoint.clone(),
            _ => endpoint(self.namespace(), component),
        }
    }

    /// The namespace of the worker.
    pub fn namespace(&self) -> &str {
        self.endpoint.as_ref().map_or(&self.namespace, |endpoint| &endpoint.namespace)
    }

    /// Removes the files that were made for the engine, in a process that ends without waiting for
    /// anything.
    pub fn remove_files(&self) {
        if let Some(path) = &self.config_file {
            // It is gone or it is not; nobody is there to care.
            let _ = std::fs::remove_file(path.as_ref());
        }
    }
}

/// The endpoint of a worker whose place is not given.
pub(super) fn endpoint(namespace: &str, component: &str) -> EndpointId {
    EndpointId {
        namespace: namespace.to_owned(),
        component: component.to_owned(),
        endpoint: "generate".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::cli::resolve;

    #[test]
    fn the_engines_file_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disagg.yaml");
        std::fs::write(&file, "a: {tp: 2}").unwrap();
        let line = format!("host --disagg-config {} --disagg-config-key a", file.display());
        let resolved = || resolve(line.split(' ').map(String::from), &Default::default()).unwrap();
        for removed in [false, true] {
            let arguments = resolved();
            let path = arguments.engine_arguments[1].clone();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "tp: 2\n");
            let clone = arguments.clone();
            drop(arguments);
            assert!(std::fs::exists(&path).unwrap());
            match removed {
                true => clone.remove_files(),
                false => drop(clone),
            }
            assert!(!std::fs::exists(&path).unwrap());
        }
    }
}
