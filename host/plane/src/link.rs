//! The connection of the moment.

use std::sync::{Arc, PoisonError, RwLock};

use dynamo_runtime::DistributedRuntime;

/// What all parts of a plane share: the runtime, which is another one once the plane was renewed.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<RwLock<DistributedRuntime>>);

impl Link {
    pub(crate) fn new(runtime: DistributedRuntime) -> Self {
        Link(Arc::new(RwLock::new(runtime)))
    }

    pub(crate) fn runtime(&self) -> DistributedRuntime {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn renew(&self, runtime: DistributedRuntime) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = runtime;
    }
}
