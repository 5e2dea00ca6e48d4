//! Between Dynamo's endpoint and the version of the moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_engine::Client;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plane::{Chunks, Codec, Handler, Request};
use dynamo_host_request::{self as request, Incoming, Response};
use futures::stream::{self, AbortRegistration, Abortable};
use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backend::Pulse;
use crate::door::Door;
use crate::site::Site;
use crate::version::Version;

/// Hands requests to the current version. A request keeps the version it began with.
pub struct WorkerHandler {
    current: ArcSwap<Version>,
    /// The versions that may still be at work, the current one last.
    live: Mutex<Vec<Weak<Version>>>,
    door: Door,
    /// Whether an operator has the engine out of use.
    resting: Arc<AtomicBool>,
    pulse: Option<Pulse>,
    /// Whether the worker is out of discovery.
    away: watch::Receiver<bool>,
}

/// How long the failure of an engine is held back until the worker has left discovery, and until
/// frontends have noticed. One that sends the request on at once would choose this worker again.
const LEAVING: Duration = Duration::from_millis(500);
const NOTICED: Duration = Duration::from_millis(50);

impl WorkerHandler {
    /// Begins with `version`, in front of the site's engine.
    pub fn new(version: Version, site: &Site) -> Self {
        version.begin();
        let version = Arc::new(version);
        let live = Mutex::new(vec![Arc::downgrade(&version)]);
        WorkerHandler {
            current: ArcSwap::new(version),
            live,
            door: site.service.door(),
            resting: site.service.resting(),
            pulse: site.backend.pulse(),
            away: site.service.away(),
        }
    }

    /// The version that requests get which start now.
    pub fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Gives the requests that start from now on to `version`. Returns the one before it.
    pub fn replace(&self, version: Arc<Version>) -> Arc<Version> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&Arc::downgrade(&version)));
        live.push(Arc::downgrade(&version));
        version.begin();
        self.current.swap(version)
    }

    /// The versions that serve requests or could, the current one last.
    pub fn live(&self) -> Vec<Arc<Version>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().filter_map(Weak::upgrade).collect()
    }

    /// See [`request::Worker::leave`].
    pub fn leave(&self) {
        self.live().iter().for_each(|version| version.worker().leave());
    }

    /// The answer to a health check that must not be asked of the engine. One that rests cannot
    /// answer. One that works on as much as it can would answer when it has time, and a check that
    /// waited for a video to be made would say that the worker does not work: there it is enough that
    /// the engine's server is there. (It may hang, which nobody would notice otherwise.)
    async fn instead_of_asking(&self, version: &Version) -> Option<Result<Chunks, Failure>> {
        if !self.resting.load(Ordering::SeqCst) {
            match &self.pulse {
                Some(pulse) if version.worker().is_fully_at_work() => {
                    if let Err(failure) = pulse.feel().await {
                        return Some(Err(failure));
                    }
                }
                _ => return None,
            }
        }
        Some(Ok(Box::pin(stream::once(async { Ok(Bytes::from_static(AT_WORK)) }))))
    }
}

/// An empty map in MessagePack: all the answer a health check gets from an engine that has no time.
const AT_WORK: &[u8] = &[0x80];

/// What ends the requests of a worker that has no time to finish them.
fn handed_over() -> Failure {
    Failure::unavailable("this worker hands its requests over to others")
}

#[async_trait]
impl Handler for WorkerHandler {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let Request { id, body, codec, trace_headers, cancelled, probe } = request;
        let version = self.current();
        if probe && let Some(answer) = self.instead_of_asking(&version).await {
            return answer;
        }
        let Some((guest, sent_out)) = self.door.enter() else { return Err(handed_over()) };
        let incoming = Incoming {
            id,
            payload: body,
            codec: match codec {
                Codec::Msgpack => request::Codec::Msgpack,
                Codec::Json => request::Codec::Json,
            },
            trace_headers,
            probe,
            cancelled: Box::pin(async move { cancelled.cancelled().await }),
        };
        let mut turn = Turn::begin(version, probe, self.away.clone());
        match turn.version.worker().respond(incoming).await {
            Ok(response) => Ok(in_house(turn.answer(response), sent_out, guest)),
            Err(failure) => {
                // No engine has been asked yet: what is no refusal is the plugin's failure.
                turn.failed = request::is_plugins(failure.kind);
                tracing::debug!(%failure, "request refused");
                Err(failure)
            }
        }
    }
}

/// Gives an engine that may be gone the time to be noticed.
async fn until_away(away: &mut watch::Receiver<bool>) {
    if *away.borrow() {
        return;
    }
    let left = timeout(LEAVING, away.wait_for(|away| *away)).await;
    if left.is_ok_and(|left| left.is_ok()) {
        sleep(NOTICED).await;
    }
}

/// Leaves word of a response that failed: the client reads less than its operator needs.
fn tell(failure: &Failure) {
    match failure.kind {
        Kind::Unavailable | Kind::BackendProtocol | Kind::DeadlineExceeded | Kind::Internal => {
            tracing::warn!(%failure, "a response failed");
        }
        _ => tracing::debug!(%failure, "a response failed"),
    }
}

/// A response until it has ended or is handed over. `with_it` stays as long.
fn in_house(
    response: impl Stream<Item = Result<Bytes, Failure>> + Send + 'static,
    sent_out: AbortRegistration,
    with_it: impl Send + 'static,
) -> Chunks {
    let response = Box::pin(Abortable::new(response, sent_out));
    Box::pin(stream::unfold(Some((response, with_it)), |open| async move {
        let (mut response, with_it) = open?;
        match response.next().await {
            Some(chunk) => Some((chunk, Some((response, with_it)))),
            None if response.is_aborted() => Some((Err(handed_over()), None)),
            None => None,
        }
    }))
}

/// One request with its version, until its answer has ended.
struct Turn {
    version: Arc<Version>,
    probe: bool,
    /// Whether the plugin is to blame for the end.
    failed: bool,
    away: watch::Receiver<bool>,
}

impl Turn {
    fn begin(version: Arc<Version>, probe: bool, away: watch::Receiver<bool>) -> Self {
        if !probe {
            version.take_off();
        }
        Turn { version, probe, failed: false, away }
    }

    fn answer(
        self,
        response: Response<Option<Client>>,
    ) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
        stream::unfold((response, self), |(mut response, mut turn)| async move {
            let item = response.next().await?;
            if let Err(failure) = &item {
                tell(failure);
                if failure.kind == Kind::Unavailable && !turn.probe {
                    until_away(&mut turn.away).await;
                }
            }
            turn.failed = response.is_plugins_failure();
            Some((item, (response, turn)))
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.probe {
            self.version.land(self.failed);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_response_that_is_handed_over_ends_so_that_another_worker_may_go_on() {
        let door = Door::default();
        let (guest, registration) = door.enter().unwrap();
        let chunk = || Ok(Bytes::from_static(b"\x80"));
        let never_ends = stream::once(async move { chunk() }).chain(stream::pending());
        let mut response = in_house(never_ends, registration, guest);
        assert_eq!(response.next().await, Some(chunk()));
        assert_eq!(door.send_out(), 1);
        let failure = response.next().await.unwrap().unwrap_err();
        assert_eq!(failure.kind, Kind::Unavailable);
        assert!(failure.kind.is_migratable());
        assert_eq!(response.next().await, None);
        assert_eq!(door.send_out(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_waits_for_the_worker_to_leave_and_not_for_ever() {
        let (leave, mut away) = watch::channel(false);
        let began = Instant::now();
        until_away(&mut away).await;
        assert_eq!(began.elapsed(), LEAVING, "an engine that goes on");

        let began = Instant::now();
        let soon = Duration::from_millis(100);
        let leaving = async {
            sleep(soon).await;
            leave.send_replace(true);
        };
        tokio::join!(until_away(&mut away), leaving);
        assert_eq!(began.elapsed(), soon + NOTICED);

        let began = Instant::now();
        until_away(&mut away).await;
        assert!(began.elapsed().is_zero(), "it has left before");
    }

    #[tokio::test]
    async fn one_that_has_ended_is_not_handed_over() {
        let door = Door::default();
        let (guest, registration) = door.enter().unwrap();
        let mut response = in_house(stream::empty(), registration, guest);
        assert_eq!(response.next().await, None);
        assert_eq!(door.send_out(), 0);
    }
}
