//! A frontend and an operator made of sockets, written from the wire alone, so that what the tests
//! see is what a peer sees and not what `dynamo-runtime` believes it sent.

#![allow(dead_code, reason = "compiled into each test, which uses a part of it")]

pub mod worker;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Long enough for a busy machine; a test that needs it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether this is the process to run `test` in. Dynamo reads environment variables and keeps one
/// request listener a process, so that each test runs in a child of its own; the parent gets false
/// once the child has passed.
pub fn in_own_process(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os("PLANE_TEST_CHILD").is_some() {
        return true;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("PLANE_TEST_CHILD", "1")
        .env("DYN_TCP_RPC_HOST", "127.0.0.1")
        .env("DYN_SYSTEM_HOST", "127.0.0.1")
        .env("DYN_SYSTEM_PORT", "0")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    false
}

/// Waits for what a test expects, instead of for a time.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never: {what}");
}

/// A plain GET or POST to the system server: status and body.
pub async fn http(address: std::net::SocketAddr, path: &str, body: Option<&str>) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The frontend's side of one worker: the address in the worker's record, and a listener the
/// worker calls home to.
pub struct Frontend {
    address: String,
    path: String,
    home: TcpListener,
}

impl Frontend {
    /// Takes the `tcp` transport of an endpoint record: `host:port/wire/path`.
    pub async fn new(transport: &str) -> Self {
        let (address, path) = transport.split_once('/').unwrap();
        let home = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Frontend { address: address.to_owned(), path: path.to_owned(), home }
    }

    /// Sends a request and returns the worker's acknowledgement: empty if it was taken.
    pub async fn post(&self, id: &str, codec: &str, body: &Value) -> Vec<u8> {
        let payload = match codec {
            "json" => serde_json::to_vec(body).unwrap(),
            _ => rmp_serde::to_vec_named(body).unwrap(),
        };
        let info = json!({
            "address": self.home.local_addr().unwrap().to_string(),
            "subject": format!("subject-of-{id}"),
            "context": id,
            "stream_type": "response",
        });
        let control = json!({
            "id": id,
            "request_type": "single_in",
            "response_type": "many_out",
            "payload_codec": codec,
            "connection_info": {"transport": "tcp_server", "info": info.to_string()},
        });
        let message = two_part(&serde_json::to_vec(&control).unwrap(), &payload);
        let headers = json!({"request-id": id}).to_string();
        let mut frame = Vec::new();
        for text in [self.path.as_bytes(), headers.as_bytes()] {
            frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
            frame.extend_from_slice(text);
        }
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&message);

        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        socket.write_all(&frame).await.unwrap();
        let size = socket.read_u32().await.unwrap();
        let mut acknowledgement = vec![0; size as usize];
        socket.read_exact(&mut acknowledgement).await.unwrap();
        acknowledgement
    }

    /// Sends a request and waits for the worker to call home: the prologue and the stream.
    pub async fn open(&self, id: &str, codec: &str, body: &Value) -> (Value, Response) {
        assert_eq!(self.post(id, codec, body).await, b"", "the request was not taken");
        let (socket, _) =
            tokio::time::timeout(PATIENCE, self.home.accept()).await.unwrap().unwrap();
        let mut response = Response { socket };
        let (hello, _) = response.read().await.unwrap();
        let hello: Value = serde_json::from_slice(&hello).unwrap();
        assert_eq!(hello["subject"], json!(format!("subject-of-{id}")));
        let (prologue, body) = response.read().await.unwrap();
        assert!(body.is_empty());
        (serde_json::from_slice(&prologue).unwrap(), response)
    }

    /// Asks in MessagePack and reads to the end: the frames' bodies, the last one checked.
    pub async fn ask(&self, id: &str, body: &Value) -> Vec<Vec<u8>> {
        let (prologue, response) = self.open(id, "msgpack", body).await;
        assert_eq!(prologue["error"], Value::Null, "{prologue}");
        let mut frames = response.read_to_end().await;
        let last = frames.pop().unwrap();
        assert_eq!(last, b"\x81\xaecomplete_final\xc3");
        frames
    }
}

/// A response stream the worker opened.
pub struct Response {
    socket: TcpStream,
}

impl Response {
    /// The next header and body; none at the end of the connection.
    pub async fn read(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        let read = async {
            let header = self.socket.read_u64().await.ok()?;
            let body = self.socket.read_u64().await.ok()?;
            let _checksum = self.socket.read_u64().await.ok()?;
            let mut header = vec![0; usize::try_from(header).ok()?];
            let mut bytes = vec![0; usize::try_from(body).ok()?];
            self.socket.read_exact(&mut header).await.ok()?;
            self.socket.read_exact(&mut bytes).await.ok()?;
            Some((header, bytes))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("the worker went silent")
    }

    /// The bodies of all frames up to the sentinel, which must come.
    pub async fn read_to_end(mut self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        loop {
            let (header, body) = self.read().await.expect("the stream broke off");
            match header.as_slice() {
                b"" => bodies.push(body),
                b"\"sentinel\"" => return bodies,
                other => panic!("unexpected header {}", String::from_utf8_lossy(other)),
            }
        }
    }

    /// `stop` or `kill`.
    pub async fn control(&mut self, word: &str) {
        let header = serde_json::to_vec(word).unwrap();
        self.socket.write_all(&two_part(&header, b"")).await.unwrap();
    }
}

fn two_part(header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&(header.len() as u64).to_be_bytes());
    message.extend_from_slice(&(body.len() as u64).to_be_bytes());
    message.extend_from_slice(&0u64.to_be_bytes());
    message.extend_from_slice(header);
    message.extend_from_slice(body);
    message
}
