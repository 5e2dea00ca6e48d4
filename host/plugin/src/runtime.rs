//! The compiler, the instance pool and the clock of deadlines: one per process.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dynamo_host_trust::Trust;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::background::Background;
use crate::lane::Lane;
use crate::{Cache, Limits};

/// How often running plugins are interrupted to look at their deadline and to let others run.
const TICK: Duration = Duration::from_millis(10);

/// Core instances of one component: its modules and the adapters `wit-component` puts around them. A
/// Rust plugin has 3, one that carries Python 38. This only limits; none is made before it is needed.
const CORE_INSTANCES_PER_PLUGIN: u32 = 48;

/// The runtime could not be set up: the machine lacks what wasmtime needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the WebAssembly runtime: {0:#}")]
pub struct RuntimeError(#[from] wasmtime::Error);

/// Compiles plugins and hands out instances. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) lane: Lane,
    /// Where plugins are compiled, if not on all processors at once.
    pub(crate) background: Option<Background>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) cache: Option<Arc<Cache>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Sets up wasmtime and starts the ticking thread, which ends with the last clone of the
    /// runtime and its plugins.
    ///
    /// # Errors
    /// [`RuntimeError`] if wasmtime does not support this machine.
    pub fn new(limits: Limits) -> Result<Self, RuntimeError> {
        let engine = match Engine::new(&config(&limits, true)) {
            Ok(engine) => engine,
            Err(error) => {
                // A container may limit address space (`ulimit -v`): slower, but it works.
                tracing::warn!("no pool of plugin instances, making each by itself: {error:#}");
                Engine::new(&config(&limits, false))?
            }
        };
        start_ticking(&engine)?;
        Ok(Runtime {
            engine,
            limits,
            lane: Lane::new(),
            background: None,
            trust: Arc::default(),
            cache: None,
        })
    }

    /// The same runtime, for plugins that are loaded while others serve: they are compiled on one
    /// thread that gives way to all others.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn in_background(&self) -> Result<Self, RuntimeError> {
        let background = Background::new().map_err(wasmtime::Error::from)?;
        Ok(Runtime { background: Some(background), ..self.clone() })
    }

    /// Loads only what `trust` lets in. Without, whatever it is given.
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = Arc::new(trust);
        self
    }

    /// Instances there are at this moment, of all plugins: those at work and those that wait for a
    /// request. None where there is no pool, and so nobody who counts them.
    pub fn instances(&self) -> Option<u64> {
        Some(self.engine.pooling_allocator_metrics()?.component_instances())
    }

    /// Keeps what is compiled in `cache`, if there is one, and looks there first.
    pub fn with_cache(mut self, cache: impl Into<Option<Cache>>) -> Self {
        self.cache = cache.into().map(Arc::new);
        self
    }
}

fn config(limits: &Limits, pooling: bool) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(true);
    if pooling {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(limits.instances)
            .total_core_instances(limits.instances.saturating_mul(CORE_INSTANCES_PER_PLUGIN))
            .total_memories(limits.instances)
            .total_tables(limits.instances.saturating_mul(2))
            .total_stacks(limits.instances)
            .max_memory_size(limits.memory_bytes)
            // What a response touches stays mapped for the next one, zeroed; more goes back to the
            // system, so that memory follows load.
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(64 << 10)
            // Where the kernel says which pages those are (Linux 6.7), only they are written over:
            // otherwise the whole first mebibyte, whether it was touched or not.
            .pagemap_scan(Enabled::Auto)
            .max_unused_warm_slots(128);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// Ticks from a thread of its own: a task could be starved by the very plugins it is to interrupt.
fn start_ticking(engine: &Engine) -> Result<(), RuntimeError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("plugin-epochs".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map_err(wasmtime::Error::from)?;
    Ok(())
}
