//! Whether the worker is in discovery: while nothing keeps it out.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{Plane, PlaneError, RouteHandler, Served};
use dynamo_host_plugin::ServiceControl;
use futures::future::{join_all, try_join_all};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::door::Door;

/// What keeps a worker out of discovery, of the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// There is no engine.
    NoEngine,
    /// The engine does not answer.
    Hung,
    /// The worker shuts down.
    Leaving,
}

impl Absence {
    const fn name(self) -> &'static str {
        match self {
            Absence::NoEngine => "no engine",
            Absence::Hung => "the engine hangs",
            Absence::Leaving => "shutting down",
        }
    }
}

/// How long an engine may be busy after its last answer. SGLang ends over a release of its memory that
/// comes before its scheduler has noticed that nothing is left to do.
const SETTLING: Duration = Duration::from_millis(500);

/// The notice frontends get of a rest. Somebody waits for it to begin.
const NOTICE: Duration = Duration::from_millis(200);

/// The worker's place in discovery. Reasons to be out of it come from the host ([`Absence`]) and from
/// the routes of its plugin, and the worker is in it while there is none.
///
/// For the host's own reasons it is not ready either (`/health`). A plugin's are an operator's will:
/// the worker is well, and a probe that ended it would undo what the operator does.
pub struct Service {
    plane: Plane,
    /// Its endpoints that clients reach.
    served: RwLock<Vec<Arc<Served>>>,
    door: Door,
    /// How long requests in flight may take to end.
    patience: Duration,
    /// Held while the worker comes or goes.
    absences: Mutex<BTreeSet<Absence>>,
    /// The plugin's reasons; changed only by who holds `absences`.
    reasons: RwLock<BTreeSet<String>>,
    /// Whether there is one.
    resting: Arc<AtomicBool>,
    /// Whether the worker is out of discovery for a reason of the host's own.
    away: watch::Sender<bool>,
}

impl Service {
    /// The path of [`Service::route`], below `/engine/`.
    pub const ROUTE: &'static str = "service";

    /// A worker that does not serve yet.
    pub fn new(plane: Plane, patience: Duration) -> Self {
        Service {
            plane,
            served: RwLock::default(),
            door: Door::default(),
            patience,
            absences: Mutex::default(),
            reasons: RwLock::default(),
            resting: Arc::default(),
            away: watch::Sender::new(false),
        }
    }

    /// From now on `served` comes and goes with the others.
    pub fn attach(&self, served: Arc<Served>) {
        self.served.write().unwrap_or_else(PoisonError::into_inner).push(served);
    }

    /// Where requests come in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Whether an operator has the engine out of use.
    pub fn resting(&self) -> Arc<AtomicBool> {
        self.resting.clone()
    }

    /// Whether the worker is out of discovery for a reason of the host's own.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }

    /// Leaves for a reason of the host's own, with `notice` for requests on their way
    /// ([`Served::withdraw`]): there is none where the engine would fail them. An engine that is gone takes the plugin's reasons along:
    /// the next one is neither paused nor without memory.
    pub async fn lose(&self, absence: Absence, notice: Duration) {
        let mut absences = self.absences.lock().await;
        absences.insert(absence);
        if absence == Absence::NoEngine {
            self.change(BTreeSet::clear);
            self.door.open();
        }
        self.plane.set_ready(false);
        let served = self.served();
        for left in join_all(served.iter().map(|served| served.withdraw(notice))).await {
            if let Err(error) = left {
                tracing::warn!("could not leave discovery: {error}");
            }
        }
        self.away.send_replace(true);
    }

    /// Answers `/engine/service`: whether the worker is in discovery, and what keeps it out.
    pub fn route(self: &Arc<Self>) -> RouteHandler {
        let service = self.clone();
        Arc::new(move |_| {
            let service = service.clone();
            Box::pin(async move {
                let absences = service.absences.lock().await;
                let own = absences.iter().map(|absence| absence.name().to_owned());
                let reasons: Vec<String> = own.chain(service.reasons()).collect();
                Ok(json!({"in_discovery": reasons.is_empty(), "reasons": reasons}))
            })
        })
    }

    /// Whether `absence` keeps the worker out.
    pub async fn is_lost(&self, absence: Absence) -> bool {
        self.absences.lock().await.contains(&absence)
    }

    /// Takes a reason of the host's own back.
    ///
    /// # Errors
    /// Discovery does not answer; the reason stands.
    pub async fn regain(&self, absence: Absence) -> Result<(), PlaneError> {
        let mut absences = self.absences.lock().await;
        absences.remove(&absence);
        if let Err(error) = self.enter(&absences).await {
            absences.insert(absence);
            return Err(error);
        }
        if absences.is_empty() {
            self.away.send_replace(false);
            self.served().iter().for_each(|served| served.set_ready());
            self.plane.set_ready(true);
        }
        Ok(())
    }

    /// Tells a connection to Dynamo that was renewed whether the worker is ready.
    pub async fn say_whether_ready(&self) {
        self.plane.set_ready(self.absences.lock().await.is_empty());
    }

    /// Marks all endpoints for routers.
    ///
    /// # Errors
    /// Discovery does not answer, or there is nothing to mark yet.
    pub async fn mark(&self, taints: &BTreeSet<String>) -> Result<(), PlaneError> {
        for served in self.served() {
            served.set_taints(taints.clone()).await?;
        }
        Ok(())
    }

    /// Ends all requests in flight so that frontends send them to other workers; how many there were.
    /// Those that come from now on go the same way.
    pub fn hand_over(&self) -> usize {
        self.door.close();
        self.door.send_out()
    }

    async fn enter(&self, absences: &MutexGuard<'_, BTreeSet<Absence>>) -> Result<(), PlaneError> {
        if absences.is_empty() && self.reasons().is_empty() {
            for served in self.served() {
                served.rejoin().await?;
            }
        }
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut reasons = self.reasons.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut reasons);
        self.resting.store(!reasons.is_empty(), Ordering::SeqCst);
    }

    fn served(&self) -> Vec<Arc<Served>> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn in_flight(&self) -> usize {
        self.served().iter().map(|served| served.in_flight()).sum()
    }

    /// Waits until nothing is in flight; whether nothing is.
    async fn idle(&self) -> bool {
        for served in self.served() {
            served.drain(self.patience).await;
        }
        self.in_flight() == 0
    }
}

#[async_trait]
impl ServiceControl for Service {
    async fn leave(&self, reason: &str) -> Result<(), Failure> {
        let _coming_or_going = self.absences.lock().await;
        let served = self.served();
        try_join_all(served.iter().map(|served| served.hide(NOTICE))).await.map_err(unavailable)?;
        self.change(|reasons| _ = reasons.insert(reason.to_owned()));
        tracing::info!(reason, "left discovery as a route asked");
        Ok(())
    }

    async fn rejoin(&self, reason: &str) -> Result<(), Failure> {
        let absences = self.absences.lock().await;
        self.change(|reasons| _ = reasons.remove(reason));
        if self.reasons().is_empty() && !absences.contains(&Absence::Leaving) {
            self.door.open();
        }
        if let Err(error) = self.enter(&absences).await {
            self.change(|reasons| _ = reasons.insert(reason.to_owned()));
            return Err(unavailable(error));
        }
        tracing::info!(reason, standing = ?self.reasons(), "a route took its reason back");
        Ok(())
    }

    fn reasons(&self) -> Vec<String> {
        let reasons = self.reasons.read().unwrap_or_else(PoisonError::into_inner);
        reasons.iter().cloned().collect()
    }

    async fn drain(&self, hand_over: bool) -> Result<(), Failure> {
        if hand_over || self.idle().await {
            self.door.close();
            if hand_over {
                self.door.send_out();
            }
            // Those who came in before the door was closed are waited for, too.
            if self.idle().await {
                tokio::time::sleep(SETTLING).await;
                return Ok(());
            }
        }
        self.door.open();
        Err(Failure::new(
            Kind::DeadlineExceeded,
            format!(
                "{} requests are still in flight after {} s (--drain-timeout)",
                self.in_flight(),
                self.patience.as_secs_f32()
            ),
        ))
    }
}

fn unavailable(error: PlaneError) -> Failure {
    Failure::unavailable(error.to_string())
}
