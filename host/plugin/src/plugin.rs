//! One loaded plugin: what it says about itself, and instances of it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::Store;

use crate::bindings::contract::{Configured, Isolation, Manifest, Setup, Start};
use crate::bindings::routed::RoutedPre;
use crate::bindings::types::EngineReport;
use crate::bindings::{WorkerPlugin, WorkerPluginPre};
use crate::imports::{Hooks, State};
use crate::instance::Instance;
use crate::lane::Lane;
use crate::load::Loaded;
use crate::session::Session;
use crate::{Artifact, Failure, Grants, Limits, LoadError, Runtime, families};

/// A loaded plugin. Cheap to clone; the compiled code is freed with the last clone and session.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    pre: WorkerPluginPre<State>,
    routes: Option<RoutedPre<State>>,
    limits: Limits,
    lane: Lane,
    manifest: Manifest,
    /// The manifest's name, for logs and errors.
    name: Arc<str>,
    digest: String,
    hooks: OnceLock<Hooks>,
    /// Instances waiting for a request; empty unless the manifest asks for warm ones.
    warm: Mutex<Vec<Instance<WorkerPlugin>>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.inner.name)
            .field("digest", &self.inner.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// Loads a component and asks it to describe itself. Compiling takes some hundred milliseconds
    /// of a core.
    ///
    /// # Errors
    /// [`LoadError`] says why a component is refused.
    pub async fn load(
        runtime: &Runtime,
        artifact: &Artifact,
        grants: &Grants,
    ) -> Result<Self, LoadError> {
        let path = artifact.origin();
        let Loaded { worker: pre, routes, signed_by } = {
            let (runtime, artifact, grants) = (runtime.clone(), artifact.clone(), grants.clone());
            let background = runtime.background.clone();
            let load = move || crate::load::load(&runtime, &artifact, &grants);
            let loaded = match background {
                Some(background) => background.run(load).await,
                None => tokio::task::spawn_blocking(load).await.ok(),
            };
            loaded.ok_or_else(|| LoadError::Interrupted { path: path.to_owned() })??
        };
        let file: Arc<str> =
            path.file_stem().map_or("plugin".into(), |stem| Arc::from(stem.to_string_lossy()));
        let manifest = describe(&pre, &file, runtime)
            .await
            .map_err(|failure| LoadError::Describe { path: path.to_owned(), failure })?;
        if let Some((family, reserved)) = families::taken(&manifest.metrics) {
            return Err(LoadError::TakenMetric { path: path.to_owned(), family, reserved });
        }
        let digest = artifact.digest().to_owned();
        tracing::info!(
            plugin = manifest.name, version = manifest.version, digest = %format!("sha256:{digest}"),
            signed_by = signed_by.map(tracing::field::display), %grants,
            "loaded plugin {}: {}", path.display(), manifest.summary
        );
        Ok(Plugin {
            inner: Arc::new(Inner {
                pre,
                routes,
                limits: runtime.limits.clone(),
                lane: runtime.lane.clone(),
                name: Arc::from(manifest.name.as_str()),
                manifest,
                digest,
                hooks: OnceLock::new(),
                warm: Mutex::default(),
            }),
        })
    }

    /// The same code with imports that are not connected: to be tried out, while this one serves.
    pub fn twin(&self) -> Plugin {
        let Inner { pre, routes, limits, lane, manifest, name, digest, .. } = &*self.inner;
        Plugin {
            inner: Arc::new(Inner {
                pre: pre.clone(),
                routes: routes.clone(),
                limits: limits.clone(),
                lane: lane.clone(),
                manifest: manifest.clone(),
                name: name.clone(),
                digest: digest.clone(),
                hooks: OnceLock::new(),
                warm: Mutex::default(),
            }),
        }
    }

    /// Compiles a component into the runtime's cache, and does nothing else with it.
    ///
    /// # Errors
    /// [`LoadError`] says why it is refused.
    pub fn compile(runtime: &Runtime, artifact: &Artifact) -> Result<(), LoadError> {
        crate::load::verify(runtime, artifact)?;
        crate::load::compile(runtime, artifact).map(drop)
    }

    /// Who the plugin is, by its own account.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Connects the plugin's imports. Later calls do nothing.
    pub fn connect(&self, hooks: Hooks) {
        if self.inner.hooks.set(hooks).is_err() {
            tracing::debug!(plugin = &*self.inner.name, "the plugin is connected already");
        }
    }

    /// Asks how the engine is started and met; none if the worker has none.
    ///
    /// # Errors
    /// The plugin's own failure, or that of its code.
    pub async fn prepare(&self, start: Start) -> Result<Option<Setup>, Failure> {
        self.instance().await?.prepare(&start).await
    }

    /// Configures the worker from the engine's report.
    ///
    /// # Errors
    /// The plugin's own failure, or that of its code.
    pub async fn configure(
        &self,
        settings: &Vec<u8>,
        report: EngineReport,
    ) -> Result<Configured, Failure> {
        self.instance().await?.configure(settings, &report).await
    }

    /// An instance for one response.
    ///
    /// # Errors
    /// [`Kind::CapacityExhausted`](crate::Kind) when [`Limits::instances`] are in use.
    pub async fn session(&self) -> Result<Session, Failure> {
        let waiting = self.warm().pop();
        let instance = match waiting {
            Some(instance) => instance,
            None => self.instance().await?,
        };
        Ok(Session::new(self.clone(), instance))
    }

    /// Takes back an instance that has served its response well.
    pub(crate) fn take_back(&self, instance: Instance<WorkerPlugin>) {
        if self.inner.manifest.isolation == Isolation::Warm {
            self.warm().push(instance);
        }
    }

    async fn instance(&self) -> Result<Instance<WorkerPlugin>, Failure> {
        self.start(async |store| self.inner.pre.instantiate_async(store).await).await
    }

    /// What instantiates the plugin for its routes, if it has any.
    pub(crate) fn routed_pre(&self) -> Option<&RoutedPre<State>> {
        self.inner.routes.as_ref()
    }

    /// An instance with the plugin's imports connected.
    pub(crate) async fn start<E>(
        &self,
        instantiate: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<E>,
    ) -> Result<Instance<E>, Failure> {
        let Inner { pre, name, limits, lane, hooks, .. } = &*self.inner;
        let hooks = hooks.get().cloned().unwrap_or_default();
        Instance::start(pre.engine(), name, limits, lane, hooks, instantiate).await
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, Vec<Instance<WorkerPlugin>>> {
        self.inner.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn describe(
    pre: &WorkerPluginPre<State>,
    file: &Arc<str>,
    runtime: &Runtime,
) -> Result<Manifest, Failure> {
    let instantiate = async |store: &mut _| pre.instantiate_async(store).await;
    let Runtime { engine, limits, lane, .. } = runtime;
    Instance::start(engine, file, limits, lane, Hooks::default(), instantiate)
        .await?
        .describe()
        .await
}
