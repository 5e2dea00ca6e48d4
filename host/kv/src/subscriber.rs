//! The thread that listens to one rank.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use zmq::{Context, DONTWAIT, Message, PollItem, Socket};

use crate::batch::{Batch, Change, Decoder};
use crate::counters::RankCounters;
use crate::load::Load;
use crate::source::Source;

/// Messages that may wait in a socket. An engine that publishes faster than we read drops what is
/// over its own limit, and is asked again.
const WAITING: i32 = 100_000;
/// Messages read before commands are looked at again.
const AT_ONCE: usize = 256;
/// How long the engine may think before it tells a batch again.
const PATIENCE: Duration = Duration::from_secs(3);
/// The number that ends a replay.
const END: u64 = u64::MAX;

/// What the thread is told, one byte each.
pub(crate) mod command {
    /// The engine has ended, and its cache with it.
    pub(crate) const LOST: u8 = b'l';
    /// An engine is there: what it has said so far is wanted.
    pub(crate) const BACK: u8 = b'b';
    /// It is over.
    pub(crate) const STOP: u8 = b's';
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    Changes {
        /// When the engine published them, in seconds since 1970; none if it told them again.
        at: Option<f64>,
        changes: Vec<Change>,
    },
    Load(Load),
    ForwardPass(Message),
}

/// Who is told has gone.
struct Gone;

/// The sockets of one rank.
pub(crate) struct Sockets {
    events: Option<Socket>,
    load: Option<Socket>,
    forward_pass: Option<Socket>,
}

impl Sockets {
    pub(crate) fn open(context: &Context, source: &Source) -> zmq::Result<Self> {
        let subscribe = |connect: Option<&String>, bind: Option<&String>| {
            let Some(endpoint) = bind.or(connect) else { return Ok(None) };
            let socket = context.socket(zmq::SUB)?;
            socket.set_rcvhwm(WAITING)?;
            socket.set_linger(0)?;
            socket.set_ipv6(endpoint.contains('['))?;
            socket.set_subscribe(b"")?;
            match bind {
                Some(_) => socket.bind(endpoint)?,
                None => socket.connect(endpoint)?,
            }
            zmq::Result::Ok(Some(socket))
        };
        Ok(Sockets {
            events: subscribe(source.endpoint.as_ref(), source.bind.as_ref())?,
            load: subscribe(source.load.as_ref(), None)?,
            forward_pass: subscribe(source.forward_pass.as_ref(), None)?,
        })
    }
}

/// The state of the thread.
pub(crate) struct Subscriber {
    pub(crate) source: Source,
    pub(crate) context: Context,
    pub(crate) sockets: Sockets,
    pub(crate) decoder: Decoder,
    pub(crate) counters: RankCounters,
    pub(crate) told: mpsc::Sender<Told>,
    /// The number of the next batch.
    pub(crate) expected: u64,
    /// When the last one was published.
    pub(crate) last: f64,
}

impl Subscriber {
    /// Listens until it is told to stop, or nobody listens to it.
    pub(crate) fn run(mut self, commands: &Socket) {
        while self.turn(commands).is_ok() {}
    }

    fn turn(&mut self, commands: &Socket) -> Result<(), Gone> {
        if !self.wait(commands) {
            return Err(Gone);
        }
        while let Ok(command) = commands.recv_bytes(DONTWAIT) {
            match command.first() {
                Some(&command::LOST) => self.forget()?,
                Some(&command::BACK) => self.replay()?,
                _ => return Err(Gone),
            }
        }
        self.read_events()?;
        for frames in read(self.sockets.load.as_ref()) {
            let load = frames.last().and_then(|frame| Load::published(self.source.rank, frame));
            if let Some(load) = load {
                self.tell(Told::Load(load))?;
            }
        }
        for mut frames in read(self.sockets.forward_pass.as_ref()) {
            if let Some(payload) = frames.pop() {
                self.tell(Told::ForwardPass(payload))?;
            }
        }
        Ok(())
    }

    /// Until there is something to read; false if that will never be.
    fn wait(&self, commands: &Socket) -> bool {
        let sockets = &self.sockets;
        let others = [&sockets.events, &sockets.load, &sockets.forward_pass];
        let all = std::iter::once(commands).chain(others.into_iter().flatten());
        let mut items: Vec<PollItem<'_>> =
            all.map(|socket| socket.as_poll_item(zmq::POLLIN)).collect();
        match zmq::poll(&mut items, -1) {
            Ok(_) | Err(zmq::Error::EINTR) => true,
            Err(error) => {
                tracing::error!("KV events are relayed no longer: {error}");
                false
            }
        }
    }

    fn read_events(&mut self) -> Result<(), Gone> {
        for frames in read(self.sockets.events.as_ref()) {
            match numbered(&frames) {
                Some((number, payload)) => self.live(number, payload)?,
                None => self.counters.malformed.inc(),
            }
        }
        Ok(())
    }

    /// A batch as it is published.
    fn live(&mut self, number: u64, payload: &[u8]) -> Result<(), Gone> {
        self.counters.batches.inc();
        let batch = self.decode(payload);
        if number < self.expected {
            // Told again meanwhile, or else the first words of another engine.
            if batch.as_ref().is_none_or(|batch| batch.at <= self.last) {
                return Ok(());
            }
            tracing::info!(rank = self.source.rank, "another engine publishes KV events");
            self.clear()?;
        }
        if number > self.expected {
            self.replay()?;
        }
        if number < self.expected {
            return Ok(());
        }
        self.take(number, batch, true)
    }

    fn decode(&mut self, payload: &[u8]) -> Option<Batch> {
        let decoded = self.decoder.decode(payload);
        decoded
            .inspect_err(|error| {
                self.counters.malformed.inc();
                tracing::warn!(rank = self.source.rank, "a batch of KV events is none: {error}");
            })
            .ok()
    }

    /// Passes a batch on. What is missing before it stays missing.
    fn take(&mut self, number: u64, batch: Option<Batch>, live: bool) -> Result<(), Gone> {
        if number > self.expected {
            let lost = number - self.expected;
            self.counters.lost.inc_by(lost);
            tracing::warn!(rank = self.source.rank, lost, "batches of KV events are lost");
        }
        self.expected = number.saturating_add(1);
        let Some(batch) = batch else { return Ok(()) };
        self.last = batch.at;
        self.counters.skipped.inc_by(batch.skipped);
        self.tell(Told::Changes { at: live.then_some(batch.at), changes: batch.changes })
    }

    /// Asks the engine to tell all from the expected batch on.
    fn replay(&mut self) -> Result<(), Gone> {
        let Some(endpoint) = self.source.replay.clone() else { return Ok(()) };
        match self.ask(&endpoint) {
            Ok(socket) => loop {
                match read_one(&socket, 0) {
                    Ok(frames) => match numbered(&frames) {
                        Some((END, _)) | None => break Ok(()),
                        Some((number, _)) if number < self.expected => {}
                        Some((number, payload)) => {
                            self.counters.recovered.inc();
                            let batch = self.decode(payload);
                            self.take(number, batch, false)?;
                        }
                    },
                    Err(error) => {
                        let rank = self.source.rank;
                        tracing::warn!(rank, "the engine does not tell KV events again: {error}");
                        break Ok(());
                    }
                }
            },
            Err(error) => {
                tracing::warn!("the engine cannot be asked for KV events at {endpoint}: {error}");
                Ok(())
            }
        }
    }

    fn ask(&self, endpoint: &str) -> zmq::Result<Socket> {
        let socket = self.context.socket(zmq::DEALER)?;
        socket.set_linger(0)?;
        socket.set_rcvhwm(WAITING)?;
        socket.set_ipv6(endpoint.contains('['))?;
        socket.set_rcvtimeo(i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX))?;
        socket.connect(endpoint)?;
        let start = self.expected.to_be_bytes();
        socket.send_multipart([&[][..], &start[..]], 0)?;
        Ok(socket)
    }

    /// The engine has ended. What it said last may still wait in the sockets: new ones.
    fn forget(&mut self) -> Result<(), Gone> {
        // A socket that listens must be closed before another can.
        self.sockets.events = None;
        match Sockets::open(&self.context, &self.source) {
            Ok(sockets) => self.sockets = sockets,
            Err(error) => tracing::error!("KV events are relayed no longer: {error}"),
        }
        self.clear()
    }

    fn clear(&mut self) -> Result<(), Gone> {
        self.expected = 0;
        self.last = 0.0;
        self.tell(Told::Changes { at: None, changes: vec![Change::Cleared] })
    }

    fn tell(&self, told: Told) -> Result<(), Gone> {
        self.told.blocking_send(told).map_err(|_| Gone)
    }
}

/// What has arrived, message by message.
fn read(socket: Option<&Socket>) -> Vec<Vec<Message>> {
    let mut messages = Vec::new();
    if let Some(socket) = socket {
        while messages.len() < AT_ONCE
            && let Ok(frames) = read_one(socket, DONTWAIT)
        {
            messages.push(frames);
        }
    }
    messages
}

fn read_one(socket: &Socket, flags: i32) -> zmq::Result<Vec<Message>> {
    let mut frames = Vec::with_capacity(4);
    loop {
        frames.push(socket.recv_msg(flags)?);
        if !socket.get_rcvmore()? {
            return Ok(frames);
        }
    }
}

/// `[..., number, payload]`: older engines leave the topic out of what they tell again.
fn numbered(frames: &[Message]) -> Option<(u64, &[u8])> {
    let [.., number, payload] = frames else { return None };
    Some((u64::from_be_bytes(number.as_ref().try_into().ok()?), payload))
}

/// Seconds since 1970, by this machine's clock, which is the engine's, too.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
