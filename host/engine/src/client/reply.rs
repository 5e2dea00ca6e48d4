//! The engine's answer to one call.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use hyper::body::Incoming;

use super::EngineError;
use super::connection::Connection;
use super::pool::Pool;
use crate::events::{Events, Framing, Gather, TooLarge};

/// An answer whose head has arrived.
///
/// Dropping it before its end closes the connection: the engine stops generating (SGLang and
/// llama.cpp both abort a request whose client is gone). After its end the connection goes back
/// to the pool, unless the server has failed (5xx).
pub struct Reply {
    status: u16,
    content_type: Option<HeaderValue>,
    body: Incoming,
    /// None after the end.
    connection: Option<Connection>,
    pool: Arc<Pool>,
    events: Events,
    failed: Option<EngineError>,
}

impl Reply {
    pub(super) fn new(
        answer: Response<Incoming>,
        connection: Connection,
        framing: Framing,
        max_event_bytes: usize,
        pool: Arc<Pool>,
    ) -> Self {
        Reply {
            status: answer.status().as_u16(),
            content_type: answer.headers().get(CONTENT_TYPE).cloned(),
            body: answer.into_body(),
            connection: Some(connection),
            pool,
            events: Events::new(framing, max_event_bytes),
            failed: None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Waits for at least one event, then appends to `batch` everything that has already arrived,
    /// `max` events at most (at least one), and never waits to fill it. Says how many; 0 when the
    /// engine has ended its answer.
    ///
    /// Dropping the future loses no event.
    ///
    /// # Errors
    /// [`EngineError::Closed`] if the engine closed the connection before the end,
    /// [`EngineError::BadReply`] if the body is not HTTP, [`EngineError::TooLarge`] if an event is
    /// over the limit. What arrived before is handed over first. An error repeats.
    pub async fn next(&mut self, batch: &mut Vec<Bytes>, max: usize) -> Result<usize, EngineError> {
        poll_fn(|cx| self.poll_next(cx, batch, max.max(1))).await
    }

    /// The value of the header `content-type`, if it has one that is text.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_ref()?.to_str().ok()
    }

    /// The next bytes of the body as they came, whatever the call's framing; none at its end. For an
    /// answer that is not cut into events: [`Reply::next`] must not have been used before.
    ///
    /// # Errors
    /// As [`Reply::next`].
    pub async fn frame(&mut self) -> Result<Option<Bytes>, EngineError> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// The whole body, whatever the call's framing, if [`Reply::next`] was not used before: for
    /// answers that are not a 2xx.
    ///
    /// # Errors
    /// As [`Reply::next`]; [`EngineError::TooLarge`] if the body has more than `max_bytes`.
    pub async fn whole(mut self, max_bytes: usize) -> Result<Bytes, EngineError> {
        let mut body = Gather::default();
        while let Some(frame) = self.frame().await? {
            body.push(frame, b"");
            if body.len() > max_bytes {
                return Err(TooLarge { max: max_bytes }.into());
            }
        }
        Ok(body.take().unwrap_or_default())
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Bytes>,
        max: usize,
    ) -> Poll<Result<usize, EngineError>> {
        let mut taken = 0;
        let end = loop {
            match self.poll_event(cx) {
                Poll::Ready(Ok(Some(event))) => {
                    batch.push(event);
                    taken += 1;
                    if taken == max {
                        break Ok(());
                    }
                }
                Poll::Ready(Ok(None)) => break Ok(()),
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Pending if taken == 0 => return Poll::Pending,
                Poll::Pending => break Ok(()),
            }
        };
        // An error repeats, so it is not lost when events go first.
        Poll::Ready(if taken > 0 { Ok(taken) } else { end.map(|()| 0) })
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, EngineError>> {
        loop {
            if let Some(event) = self.events.take()? {
                return Poll::Ready(Ok(Some(event)));
            }
            if self.connection.is_none() {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.poll_frame(cx))? {
                Some(frame) => self.events.feed(frame),
                None => return Poll::Ready(Ok(self.events.finish()?)),
            }
        }
    }

    /// The next frame of the body; none at its end, after which the connection is in the pool.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, EngineError>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone()));
        }
        while let Some(connection) = &mut self.connection {
            match ready!(connection.poll_frame(&mut self.body, cx)) {
                Some(Ok(frame)) => {
                    // Anything else is trailers.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Some(Err(error)) => {
                    let error = EngineError::from_hyper(&error);
                    self.failed = Some(error.clone());
                    return Poll::Ready(Err(error));
                }
                None => {
                    // A server that has failed may close right behind its answer, as uvicorn does
                    // after an exception: too late to be noticed by whoever comes next.
                    let reusable = self.status < 500 && connection.poll_reusable(cx);
                    if let Some(connection) = self.connection.take_if(|_| reusable) {
                        self.pool.put(connection);
                    }
                    self.connection = None;
                }
            }
        }
        Poll::Ready(Ok(None))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("ended", &self.connection.is_none())
            .finish_non_exhaustive()
    }
}
