//! Where operators ask about the plugins, and for other versions of them: `/engine/plugin` on the
//! system server, and SIGHUP.
//!
//! Dynamo's system server takes any method under `/engine/` and does not say which it was, so that a
//! GET and a POST are the same here.

use std::io;
use std::sync::Arc;

use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{Plane, RouteHandler};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Order, Outcome, Record, Swapper, Trigger};
use crate::station::Station;

/// Orders that may wait for one plugin.
const QUEUE: usize = 16;

/// All the plugins of a host.
pub struct Desk {
    plugins: Vec<Entry>,
}

/// One of them.
struct Entry {
    station: Arc<Station>,
    record: Arc<Record>,
    source: String,
    orders: mpsc::Sender<Order>,
}

/// SIGHUP, which no longer ends the process.
pub struct Hangup(Signal);

impl Hangup {
    /// Takes the signal over from the system.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Hangup(signal(SignalKind::hangup())?))
    }
}

impl Desk {
    /// Sets the swappers to work, answers under `/engine/plugin`, and reloads at each signal. All of
    /// that ends with what is returned.
    pub fn open(
        plane: &Plane,
        swappers: Vec<(Arc<Station>, Swapper)>,
        mut hangup: Hangup,
    ) -> JoinSet<()> {
        let mut work = JoinSet::new();
        let mut plugins = Vec::with_capacity(swappers.len());
        for (station, swapper) in swappers {
            let (orders, taken) = mpsc::channel(QUEUE);
            let (record, source) = (swapper.record(), swapper.origin());
            plugins.push(Entry { station, record, source, orders });
            work.spawn(swapper.run(taken));
        }
        let desk = Arc::new(Desk { plugins });
        desk.answer(plane);
        work.spawn(async move {
            while hangup.0.recv().await.is_some() {
                tracing::info!("SIGHUP: looking for new versions of the plugins");
                // What comes of it is said where it happens.
                let _ = desk.reload(&json!({}), Trigger::Signal).await;
            }
        });
        work
    }

    fn answer(self: &Arc<Self>, plane: &Plane) {
        let desk = self.clone();
        let show: RouteHandler = Arc::new(move |body| {
            let desk = desk.clone();
            Box::pin(async move { desk.show(&body) })
        });
        let desk = self.clone();
        let reload: RouteHandler = Arc::new(move |body| {
            let desk = desk.clone();
            Box::pin(async move { desk.reload(&body, Trigger::Route).await })
        });
        let desk = self.clone();
        let roll_back: RouteHandler = Arc::new(move |body| {
            let desk = desk.clone();
            Box::pin(async move { desk.roll_back(&body).await })
        });
        plane.register_report("plugin", show);
        plane.register_route("plugin/reload", reload);
        plane.register_route("plugin/rollback", roll_back);
    }

    fn show(&self, body: &Value) -> Result<Value, Failure> {
        let shown = self.meant(body)?.into_iter();
        let shown = shown.map(|entry| entry.record.show(&entry.station, &entry.source));
        Ok(json!({ "plugins": shown.collect::<Vec<_>>() }))
    }

    async fn reload(&self, body: &Value, trigger: Trigger) -> Result<Value, Failure> {
        let mut answers = Vec::new();
        let mut refusals = Vec::new();
        for entry in self.meant(body)? {
            let (answer, answered) = oneshot::channel();
            match entry.ask(Order::Reload(trigger, answer), answered).await? {
                Ok(outcome) => answers.push(entry.outcome(outcome)),
                Err(refusal) => refusals.push(format!("{}: {refusal}", entry.name())),
            }
        }
        match refusals.is_empty() {
            true => Ok(json!({ "plugins": answers })),
            false => Err(Failure::new(Kind::Conflict, refusals.join("; "))),
        }
    }

    async fn roll_back(&self, body: &Value) -> Result<Value, Failure> {
        let entry = match self.meant(body)?.as_slice() {
            [entry] => *entry,
            entries => {
                let names: Vec<String> = entries.iter().map(|entry| entry.name()).collect();
                let message = format!(
                    "say which plugin goes back, as {{\"plugin\": NAME}}: {}",
                    names.join(", ")
                );
                return Err(Failure::invalid_request(message));
            }
        };
        let (answer, answered) = oneshot::channel();
        match entry.ask(Order::RollBack(answer), answered).await? {
            Ok(outcome) => Ok(json!({ "plugins": [entry.outcome(outcome)] })),
            Err(no_way) => Err(Failure::new(Kind::Conflict, no_way.to_string())),
        }
    }

    /// The plugins a body means: the one it names, or all.
    fn meant(&self, body: &Value) -> Result<Vec<&Entry>, Failure> {
        let Some(name) = body.get("plugin") else { return Ok(self.plugins.iter().collect()) };
        let found = self.plugins.iter().find(|entry| *name == *entry.name());
        found
            .map(|entry| vec![entry])
            .ok_or_else(|| Failure::public(Kind::NotFound, format!("no plugin {name} serves here")))
    }
}

impl Entry {
    fn name(&self) -> String {
        self.station.handler().current().plugin().manifest().name.clone()
    }

    /// Gives an order and waits for what comes of it.
    async fn ask<T>(&self, order: Order, answered: oneshot::Receiver<T>) -> Result<T, Failure> {
        let leaving = || Failure::unavailable("the host is shutting down");
        self.orders.send(order).await.map_err(|_| leaving())?;
        answered.await.map_err(|_| leaving())
    }

    fn outcome(&self, outcome: Outcome) -> Value {
        let serving = self.station.handler().current();
        json!({
            "name": self.name(),
            "outcome": match outcome {
                Outcome::Switched => "switched",
                Outcome::Unchanged => "unchanged",
            },
            "version": serving.plugin().manifest().version,
            "digest": format!("sha256:{}", serving.plugin().digest()),
        })
    }
}
