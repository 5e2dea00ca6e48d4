//! From a file to a component that may run: every way it may be refused, each with its reason.

use std::path::{Path, PathBuf};

use dynamo_host_trust::{Distrust, PublicKey};
use wasmtime::component::Component;

use crate::bindings::WorkerPluginPre;
use crate::bindings::routed::RoutedPre;
use crate::imports::{State, linker};
use crate::inspect::{Import, Standing, exports, imports};
use crate::{Artifact, Failure, Grant, Grants, Runtime};

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
    /// It is not what the operator trusts.
    #[error("this plugin may not be loaded: {0}")]
    Distrusted(#[from] Distrust),
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
    /// The trusted key that signed it; none where no signature is asked for.
    pub(crate) signed_by: Option<PublicKey>,
}

/// Verifies, compiles, checks and links a component.
pub(crate) fn load(
    runtime: &Runtime,
    artifact: &Artifact,
    grants: &Grants,
) -> Result<Loaded, LoadError> {
    let signed_by = verify(runtime, artifact)?.cloned();
    let component = compile(runtime, artifact)?;
    let path = artifact.origin();
    check_exports(&component, path)?;
    check_imports(&component, path, grants)?;
    let mismatch = |error: wasmtime::Error| LoadError::Mismatch {
        path: path.to_owned(),
        reason: format!("{error:#}"),
    };
    let pre = linker(&runtime.engine, grants)
        .and_then(|linker| linker.instantiate_pre(&component))
        .map_err(mismatch)?;
    let has_routes =
        exports(&component).iter().any(|name| name.starts_with("dynamo:worker/routes@"));
    let routes = has_routes.then(|| RoutedPre::new(pre.clone())).transpose().map_err(mismatch)?;
    let worker = WorkerPluginPre::new(pre).map_err(mismatch)?;
    Ok(Loaded { worker, routes, signed_by })
}

/// Whether the operator trusts these bytes, and by whose signature.
pub(crate) fn verify<'a>(
    runtime: &'a Runtime,
    artifact: &Artifact,
) -> Result<Option<&'a PublicKey>, Distrust> {
    let origin = artifact.origin().to_string_lossy();
    let signature = artifact.signature().map(|signature| &**signature);
    runtime.trust.verify(&origin, artifact.bytes(), signature)
}

/// The component's code. From the cache, if this host has compiled the very same bytes before.
pub(crate) fn compile(runtime: &Runtime, artifact: &Artifact) -> Result<Component, LoadError> {
    let at = || artifact.origin().to_owned();
    match artifact.bytes().get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => {}
        Some([0, b'a', b's', b'm', ..]) => return Err(LoadError::CoreModule { path: at() }),
        _ => return Err(LoadError::NotWebAssembly { path: at() }),
    }
    let Runtime { engine, cache, .. } = runtime;
    if let Some(component) = cache.as_ref().and_then(|cache| cache.load(engine, artifact.key())) {
        return Ok(component);
    }
    let component = Component::new(engine, artifact.bytes())
        .map_err(|error| LoadError::Invalid { path: at(), reason: format!("{error:#}") })?;
    if let Some(cache) = cache {
        cache.store(engine, artifact.key(), &component);
    }
    Ok(component)
}

fn check_exports(component: &Component, path: &Path) -> Result<(), LoadError> {
    let names: Vec<String> = exports(component);
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
    for Import { name, standing } in imports(component) {
        let at = path.to_owned();
        match standing {
            Standing::Needs(grant) if !grants.has(grant) => {
                return Err(LoadError::NotGranted { path: at, interface: name, grant });
            }
            Standing::NotOffered => {
                return Err(LoadError::NotOffered { path: at, interface: name });
            }
            Standing::Always | Standing::Needs(_) => {}
        }
        let ours = name.strip_prefix("dynamo:worker/").and_then(|ours| ours.split_once('@'));
        if let Some((_, version)) = ours {
            check_version(version, path)?;
        }
    }
    Ok(())
}
