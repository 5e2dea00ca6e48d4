//! One HTTP/1.1 connection, driven by whoever waits for its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::EngineError;
use super::call::Target;

type Driver = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once the connection has closed.
    driver: Option<Driver>,
}

/// A request that got no answer.
pub(super) struct Unsent {
    pub(super) error: hyper::Error,
    /// The request, if not a byte of it was written.
    pub(super) request: Option<Request<Full<Bytes>>>,
}

impl Connection {
    pub(super) async fn open(target: &Target, timeout: Duration) -> Result<Self, EngineError> {
        let unreachable =
            |why: String| EngineError::Unreachable { address: target.address().to_owned(), why };
        let connect = TcpStream::connect((target.host.as_str(), target.port));
        let stream = tokio::time::timeout(timeout, connect)
            .await
            .map_err(|_| unreachable(format!("no connection within {} s", timeout.as_secs_f32())))?
            .map_err(|error| unreachable(error.to_string()))?;
        // A request is one write; nothing is gained by waiting for more of it.
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| EngineError::from_hyper(&error))?;
        Ok(Connection { sender, driver: Some(driver) })
    }

    /// Sends a request; resolves at the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unsent> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            drive(driver, cx);
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|mut failed| {
            let request = failed.take_message();
            Unsent { request, error: failed.into_error() }
        })
    }

    /// The next frame of the answer's body. Reads the socket only when none is waiting.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        drive(&mut self.driver, cx);
        Pin::new(body).poll_frame(cx)
    }

    /// Whether another request can be sent. Finishes the exchange before, and notices if the
    /// engine has closed the connection meanwhile.
    pub(super) fn poll_reusable(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.driver, cx);
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Lets the connection read and write what it can.
///
/// Its result is not lost: hyper reports it through the answer or its body as well.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(connection) = driver
        && Pin::new(connection).poll(cx).is_ready()
    {
        *driver = None;
    }
}
