//! A server on the loopback network that answers what a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server sends, and what it does then.
#[derive(Clone)]
pub(super) struct Answer {
    head: String,
    body: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Stall,
    Repeat,
}

impl Answer {
    /// 200 with this body and its length.
    pub(super) fn body(content_type: &str, body: &[u8]) -> Self {
        let head =
            format!("200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}", body.len());
        Answer { head, body: body.to_vec(), then: Then::Close }
    }

    /// A status line's code and headers, and no body.
    pub(super) fn head(head: impl Into<String>) -> Self {
        Answer { head: head.into(), body: Vec::new(), then: Then::Close }
    }

    /// A redirect.
    pub(super) fn to(location: impl AsRef<str>) -> Self {
        Answer::head(format!("302 Found\r\nlocation: {}\r\ncontent-length: 0", location.as_ref()))
    }

    /// This, and then silence on an open connection.
    pub(super) fn then_stall(self) -> Self {
        Answer { then: Then::Stall, ..self }
    }

    /// A body without a length and without an end.
    pub(super) fn endless() -> Self {
        Answer { head: "200 OK".into(), body: vec![b'x'; 4096], then: Then::Repeat }
    }
}

/// Listens until dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens at a free port of `ip`, answering by path.
    pub(super) async fn start(
        ip: &str,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (seen, answer) = (requests.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, seen.clone(), answer.clone()));
            }
        });
        Server { address, requests, task }
    }

    /// The URL of a path here.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The paths asked for, and an empty one for each connection without a request.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut connection: TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    answer: Arc<impl Fn(&str) -> Answer>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => break,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(path.clone());
    let answer = answer(&path);
    let head = format!("HTTP/1.1 {}\r\nconnection: close\r\n\r\n", answer.head);
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(&answer.body).await;
    match answer.then {
        Then::Close => {}
        Then::Stall => std::future::pending().await,
        Then::Repeat => while connection.write_all(&answer.body).await.is_ok() {},
    }
}
