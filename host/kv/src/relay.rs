//! From the sockets of an engine to Dynamo.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zmq::{Context, Socket};

use crate::Decoder;
use crate::counters::{Counters, RankCounters};
use crate::ledger::{self, Ledger};
use crate::load::Load;
use crate::source::Source;
use crate::subscriber::{Sockets, Subscriber, Told, command, now};

/// Batches that may wait to be published. Then the socket is no longer read.
const WAITING: usize = 1024;
/// One message to the event plane, in events and bytes: NATS by default takes 1 MiB.
const MESSAGE: (usize, usize) = (128, 512 * 1024);

/// A topic of Dynamo's event plane.
#[async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// Publishes one message, MessagePack.
    ///
    /// # Errors
    /// Why the event plane did not take it.
    async fn publish(&self, message: Vec<u8>) -> Result<(), String>;
}

/// Where what a rank says goes. What there is no outlet for is dropped.
#[derive(Clone, Default)]
pub struct Outlets {
    /// The changes of its cache, for which the outlet is this rank's alone.
    pub events: Option<Arc<dyn Outlet>>,
    /// Its load.
    pub load: Option<Arc<dyn LoadOutlet>>,
    /// The metrics of its forward passes.
    pub forward_pass: Option<Arc<dyn Outlet>>,
}

/// Takes loads.
#[async_trait]
pub trait LoadOutlet: Send + Sync + 'static {
    /// Says how full a rank is.
    async fn load(&self, load: Load);
}

/// A rank to be relayed.
pub struct Rank {
    /// Its sockets.
    pub source: Source,
    /// Its account, which also answers routers that missed events.
    pub ledger: Arc<Mutex<Ledger>>,
    /// Where it goes.
    pub outlets: Outlets,
}

/// Why nothing is relayed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A socket of ours.
    #[error(
        "cannot listen to the engine's events of rank {rank} ({endpoint}): {source}. Check the \
         endpoint in --kv-events-config"
    )]
    Socket {
        /// The rank.
        rank: u32,
        /// Its endpoint.
        endpoint: String,
        /// What ZeroMQ said.
        source: zmq::Error,
    },
    /// No thread for a rank.
    #[error("cannot start a thread for KV events: {0}")]
    Thread(#[from] std::io::Error),
}

/// Relays until it is dropped or [stopped](Relay::stop).
pub struct Relay {
    ranks: Vec<Running>,
}

struct Running {
    /// To the thread, which owns the other end. (A socket must not be used by two threads at once.)
    commands: Mutex<Socket>,
    thread: Option<thread::JoinHandle<()>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens to `ranks`, whose blocks have `block_size` tokens. What the engine has said before is
    /// asked for first, so the engine should be up. Needs a tokio runtime.
    ///
    /// # Errors
    /// An endpoint ZeroMQ does not take, an address in use.
    pub fn start(
        ranks: Vec<Rank>,
        block_size: u32,
        counters: &Counters,
    ) -> Result<Self, RelayError> {
        let context = Context::new();
        let mut relay = Relay { ranks: Vec::with_capacity(ranks.len()) };
        for rank in ranks {
            relay.ranks.push(start(&context, rank, block_size, counters)?);
        }
        relay.engine_is_back();
        Ok(relay)
    }

    /// The engine has ended: tells routers that its cache is empty. What its successor publishes
    /// comes after that, in its order.
    pub fn engine_is_lost(&self) {
        self.command(command::LOST);
    }

    /// The engine is up: what it has said so far is relayed.
    pub fn engine_is_back(&self) {
        self.command(command::BACK);
    }

    /// Ends the relay once what has been received is published.
    pub async fn stop(mut self) {
        self.command(command::STOP);
        for rank in std::mem::take(&mut self.ranks) {
            if rank.task.await.is_err() {
                tracing::error!("a relay of KV events panicked");
            }
        }
    }

    fn command(&self, command: u8) {
        for rank in &self.ranks {
            let commands = rank.commands.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = commands.send(&[command][..], zmq::DONTWAIT) {
                tracing::error!("the relay of KV events does not listen: {error}");
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.command(command::STOP);
        for rank in &mut self.ranks {
            rank.task.abort();
            if let Some(thread) = rank.thread.take()
                && thread.join().is_err()
            {
                tracing::error!("a relay of KV events panicked");
            }
        }
    }
}

fn start(
    context: &Context,
    rank: Rank,
    block_size: u32,
    counters: &Counters,
) -> Result<Running, RelayError> {
    let Rank { source, ledger, outlets } = rank;
    let number = source.rank;
    let failed = |error| RelayError::Socket {
        rank: number,
        endpoint: source.bind.clone().or_else(|| source.endpoint.clone()).unwrap_or_default(),
        source: error,
    };
    let pair = |end: &str| {
        let socket = context.socket(zmq::PAIR)?;
        socket.set_linger(0)?;
        match end {
            "bind" => socket.bind(&format!("inproc://rank-{number}"))?,
            _ => socket.connect(&format!("inproc://rank-{number}"))?,
        }
        zmq::Result::Ok(socket)
    };
    let (ours, theirs) = (pair("bind").map_err(failed)?, pair("connect").map_err(failed)?);
    let sockets = Sockets::open(context, &source).map_err(failed)?;
    let (told, hears) = mpsc::channel(WAITING);
    let counters = counters.of(number);
    let subscriber = Subscriber {
        context: context.clone(),
        sockets,
        decoder: Decoder::new(block_size),
        counters: counters.clone(),
        told,
        expected: 0,
        last: 0.0,
        source,
    };
    let thread = thread::Builder::new()
        .name(format!("kv-events-{number}"))
        .spawn(move || subscriber.run(&theirs))?;
    let task = tokio::spawn(publish(hears, ledger, outlets, counters));
    Ok(Running { commands: Mutex::new(ours), thread: Some(thread), task })
}

/// Publishes what a thread tells. What has arrived by then goes in one message.
async fn publish(
    mut hears: mpsc::Receiver<Told>,
    ledger: Arc<Mutex<Ledger>>,
    outlets: Outlets,
    counters: RankCounters,
) {
    let mut arrived = Vec::with_capacity(WAITING);
    while hears.recv_many(&mut arrived, WAITING).await > 0 {
        let mut events = Vec::new();
        let mut published = Vec::new();
        let mut latest = None;
        let mut passes = Vec::new();
        {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            for told in arrived.drain(..) {
                match told {
                    Told::Load(load) => latest = Some(load),
                    Told::ForwardPass(pass) => passes.push(pass.to_vec()),
                    Told::Changes { at, changes } => {
                        published.extend(at);
                        for change in changes {
                            counters.count(&change);
                            ledger.enter(change, &mut events);
                        }
                    }
                }
            }
            counters.blocks.set(i64::try_from(ledger.blocks()).unwrap_or(i64::MAX));
        }
        if let Some(outlet) = &outlets.events {
            for message in messages(&events) {
                send(outlet.as_ref(), ledger::list(message), &counters).await;
            }
            let now = now();
            published.iter().for_each(|at| counters.lag.observe((now - at).max(0.0)));
        }
        if let (Some(outlet), Some(load)) = (&outlets.load, latest) {
            outlet.load(load).await;
        }
        if let Some(outlet) = &outlets.forward_pass {
            for pass in passes {
                send(outlet.as_ref(), pass, &counters).await;
            }
        }
    }
}

async fn send(outlet: &dyn Outlet, message: Vec<u8>, counters: &RankCounters) {
    if let Err(error) = outlet.publish(message).await {
        // A router notices the gap in our numbers and asks.
        counters.failed.inc();
        tracing::warn!("the event plane does not take KV events: {error}");
    }
}

/// Cuts `events` where a message would become too long.
fn messages(events: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
    let (most, longest) = MESSAGE;
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(most).take_while(|event| {
            bytes += event.len();
            bytes <= longest
        });
        let length = fits.count().max(1).min(rest.len());
        let (message, others) = rest.split_at(length);
        rest = others;
        (!message.is_empty()).then_some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_no_more_than_it_may_and_at_least_one_event() {
        let short = vec![Bytes::from_static(b"event"); MESSAGE.0 + 1];
        let lengths: Vec<usize> = messages(&short).map(<[_]>::len).collect();
        assert_eq!(lengths, [MESSAGE.0, 1]);
        let long = vec![Bytes::from(vec![0; MESSAGE.1 + 1]); 2];
        let lengths: Vec<usize> = messages(&long).map(<[_]>::len).collect();
        assert_eq!(lengths, [1, 1]);
        assert_eq!(messages(&[]).count(), 0);
    }
}
