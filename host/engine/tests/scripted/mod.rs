//! Servers that do exactly what a test says, byte for byte, and a client for them.

use std::future::Future;

use bytes::Bytes;
use dynamo_host_engine::{Call, Client, EngineError, Framing, Limits};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server that hands each connection, with its number, to `serve`. Ends with its runtime.
pub async fn server<S, F>(serve: S) -> Client
where
    S: Fn(TcpStream, usize) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, number));
        }
    });
    let limits = Limits { max_event_bytes: 64 << 10, ..Limits::default() };
    Client::new(&format!("http://{address}"), limits).unwrap()
}

/// Reads one request: its head as text, and its body.
pub async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let mut body = read.split_off(end);
    let head = String::from_utf8(read).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        stream.read_buf(&mut body).await.unwrap();
    }
    Some((head, body))
}

pub async fn say(stream: &mut TcpStream, text: impl AsRef<[u8]>) {
    stream.write_all(text.as_ref()).await.unwrap();
}

pub fn chunk(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

pub fn generate(framing: Framing) -> Call {
    Call {
        method: Method::POST,
        path: "/generate?a=b".to_owned(),
        headers: vec![("X-Trace".to_owned(), "1".to_owned())],
        body: Bytes::from_static(b"{\"stream\":true}"),
        framing,
        repeatable: true,
    }
}

pub async fn all(client: &Client, framing: Framing) -> Result<Vec<Bytes>, EngineError> {
    let mut reply = client.send(generate(framing)).await?;
    let mut events = Vec::new();
    while reply.next(&mut events, 64).await? > 0 {}
    Ok(events)
}
