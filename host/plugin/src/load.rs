//! From a file to a component that may run: every way it may be refused, each with its reason.

use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::bindings::WorkerPluginPre;
use crate::bindings::routed::RoutedPre;
use crate::imports::{State, linker};
use crate::{Artifact, Failure, Grant, Grants, Runtime, wasi};

/// The versions of `dynamo:worker` this host runs: any patch of this minor.
const RUNS: &str = "0.1";

/// A plugin that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read plugin {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody finished compiling it.
    #[error("plugin {path} was not compiled to the end: see what was logged before")]
    Interrupted {
        /// The file.
        path: PathBuf,
    },
    /// The file is not WebAssembly.
    #[error(
        "plugin {path} is not a WebAssembly file: a plugin is a component, usually named *.wasm"
    )]
    NotWebAssembly {
        /// The file.
        path: PathBuf,
    },
    /// The file is a module of the older kind.
    #[error(
        "plugin {path} is a core WebAssembly module, not a component: build it for the target \
         wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("plugin {path} does not compile: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Wasmtime's account.
        reason: String,
    },
    /// A component for something else.
    #[error(
        "{path} is a component but no worker plugin: it exports [{exports}], and a plugin exports \
         dynamo:worker/worker@{RUNS}"
    )]
    NotAPlugin {
        /// The file.
        path: PathBuf,
        /// What it exports instead.
        exports: String,
    },
    /// A plugin of another version of the contract.
    #[error(
        "plugin {path} is built for dynamo:worker@{found}, and this host runs {RUNS}.x: rebuild it \
         with the SDK of this host, or use a host of its version"
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version it wants.
        found: String,
    },
    /// An import the operator did not grant.
    #[error(
        "plugin {path} imports {interface}, which it is not granted: if you trust it with that, \
         start the host with `--plugin-grant {grant}`"
    )]
    NotGranted {
        /// The file.
        path: PathBuf,
        /// The interface, with its version.
        interface: String,
        /// What would have to be granted.
        grant: Grant,
    },
    /// An import no host of this version offers.
    #[error(
        "plugin {path} imports {interface}, which this host does not offer to any plugin: a plugin \
         has no files, sockets, clocks or randomness of its own"
    )]
    NotOffered {
        /// The file.
        path: PathBuf,
        /// The interface, with its version.
        interface: String,
    },
    /// Right names, wrong types.
    #[error("plugin {path} does not fit the contract dynamo:worker@{RUNS}: {reason}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Wasmtime's account.
        reason: String,
    },
    /// A metric under a name that is somebody else's.
    #[error(
        "plugin {path} declares the metric {family}, but families that begin with {reserved} are not \
         a plugin's to record: rename it"
    )]
    TakenMetric {
        /// The file.
        path: PathBuf,
        /// The family it would be shown as.
        family: String,
        /// What begins the names of somebody else's.
        reserved: &'static str,
    },
    /// The plugin failed before it could say who it is.
    #[error("plugin {path} failed in `describe`: {failure}")]
    Describe {
        /// The file.
        path: PathBuf,
        /// What happened.
        failure: Failure,
    },
}

/// A component that may run.
pub(crate) struct Loaded {
    /// Ready to be instantiated as a worker.
    pub(crate) worker: WorkerPluginPre<State>,
    /// Ready to be instantiated for its routes, if it has any.
    pub(crate) routes: Option<RoutedPre<State>>,
}

/// Compiles, checks and links a component.
pub(crate) fn load(
    runtime: &Runtime,
    artifact: &Artifact,
    grants: &Grants,
) -> Result<Loaded, LoadError> {
    let path = artifact.origin();
    let at = || path.to_owned();
    match artifact.bytes().get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => {}
        Some([0, b'a', b's', b'm', ..]) => return Err(LoadError::CoreModule { path: at() }),
        _ => return Err(LoadError::NotWebAssembly { path: at() }),
    }
    let component = Component::new(&runtime.engine, artifact.bytes())
        .map_err(|error| LoadError::Invalid { path: at(), reason: format!("{error:#}") })?;

    check_exports(&component, path)?;
    check_imports(&component, path, grants)?;
    let mismatch =
        |error: wasmtime::Error| LoadError::Mismatch { path: at(), reason: format!("{error:#}") };
    let pre = linker(&runtime.engine, grants)
        .and_then(|linker| linker.instantiate_pre(&component))
        .map_err(mismatch)?;
    let has_routes = exports(&component).any(|name| name.starts_with("dynamo:worker/routes@"));
    let routes = has_routes.then(|| RoutedPre::new(pre.clone())).transpose().map_err(mismatch)?;
    let worker = WorkerPluginPre::new(pre).map_err(mismatch)?;
    Ok(Loaded { worker, routes })
}

fn exports(component: &Component) -> impl Iterator<Item = String> {
    let kind = component.component_type();
    let names: Vec<String> =
        kind.exports(component.engine()).map(|(name, _)| name.to_owned()).collect();
    names.into_iter()
}

fn check_exports(component: &Component, path: &Path) -> Result<(), LoadError> {
    let names: Vec<String> = exports(component).collect();
    let worker = names.iter().find_map(|name| name.strip_prefix("dynamo:worker/worker@"));
    match worker {
        Some(version) => check_version(version, path),
        None => Err(LoadError::NotAPlugin { path: path.to_owned(), exports: names.join(", ") }),
    }
}

fn check_version(found: &str, path: &Path) -> Result<(), LoadError> {
    let runs = found.strip_prefix(RUNS).is_some_and(|patch| patch.starts_with('.'));
    if runs && !found.contains('-') {
        return Ok(());
    }
    Err(LoadError::OtherVersion { path: path.to_owned(), found: found.to_owned() })
}

fn check_imports(component: &Component, path: &Path, grants: &Grants) -> Result<(), LoadError> {
    let kind = component.component_type();
    for (name, item) in kind.imports(component.engine()) {
        let interface = name.split('@').next().unwrap_or(name);
        let not_offered =
            || LoadError::NotOffered { path: path.to_owned(), interface: name.to_owned() };
        if !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
            return Err(not_offered());
        }
        let Some(ours) = interface.strip_prefix("dynamo:worker/") else {
            if wasi::LINKED.contains(&interface) || interface == wasi::FIXED_SEED {
                continue;
            }
            return Err(not_offered());
        };
        if let Some((_, version)) = name.split_once('@') {
            check_version(version, path)?;
        }
        match ours {
            "types" | "prompt" | "handles" | "calls" => {}
            _ => match ours.parse::<Grant>() {
                Ok(grant) if grants.has(grant) => {}
                Ok(grant) => {
                    return Err(LoadError::NotGranted {
                        path: path.to_owned(),
                        interface: name.to_owned(),
                        grant,
                    });
                }
                Err(_) => return Err(not_offered()),
            },
        }
    }
    Ok(())
}
