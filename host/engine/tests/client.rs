//! The client against servers that do exactly what a test says, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dynamo_host_engine::{Call, Client, EngineError, Framing, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use scripted::{HEAD, all, chunk, generate, request, say, server};

const CAPTURE: &[u8] = include_bytes!("data/sglang_generate_stream.sse");

#[tokio::test]
async fn a_call_arrives_as_it_was_made() {
    let (seen, heard) = oneshot::channel();
    let seen = Arc::new(std::sync::Mutex::new(Some(seen)));
    let client = server(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            let request = request(&mut stream).await.unwrap();
            seen.lock().unwrap().take().unwrap().send(request).unwrap();
            say(&mut stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope").await;
        }
    })
    .await;
    let reply = client.send(generate(Framing::Sse)).await.unwrap();
    assert_eq!(reply.status(), 404);
    assert_eq!(reply.whole(4).await.unwrap(), "nope");
    let (head, body) = heard.await.unwrap();
    assert!(head.starts_with("post /generate?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", client.address())), "{head}");
    assert!(head.contains("x-trace: 1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert_eq!(body, b"{\"stream\":true}");
}

#[tokio::test]
async fn what_has_arrived_is_taken_at_once_and_nothing_is_waited_for() {
    let (go, wait) = oneshot::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(Some(wait)));
    let client = server(move |mut stream, _| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            request(&mut stream).await;
            let mut first = HEAD.as_bytes().to_vec();
            for number in 0..10 {
                first.extend(chunk(format!("data: {number}\n\n")));
            }
            say(&mut stream, first).await;
            wait.await.unwrap();
            say(&mut stream, [chunk("data: last\n\n"), b"0\r\n\r\n".to_vec()].concat()).await;
        }
    })
    .await;
    let mut reply = client.send(generate(Framing::Sse)).await.unwrap();
    let mut batch = Vec::new();
    assert_eq!(reply.next(&mut batch, 3).await, Ok(3));
    // Seven are there, the eighth is not sent before these were taken.
    assert_eq!(reply.next(&mut batch, 100).await, Ok(7));
    go.send(()).unwrap();
    assert_eq!(reply.next(&mut batch, 100).await, Ok(1));
    assert_eq!(reply.next(&mut batch, 100).await, Ok(0));
    assert_eq!(reply.next(&mut batch, 100).await, Ok(0));
    assert_eq!(batch.len(), 11);
}

#[tokio::test]
async fn a_capture_survives_any_chunking() {
    for size in [1, 7, 100, 1000, CAPTURE.len()] {
        let client = server(move |mut stream, _| async move {
            request(&mut stream).await;
            say(&mut stream, HEAD).await;
            for piece in CAPTURE.chunks(size) {
                say(&mut stream, chunk(piece)).await;
            }
            say(&mut stream, "0\r\n\r\n").await;
        })
        .await;
        let events = all(&client, Framing::Sse).await.unwrap();
        assert_eq!(events.len(), 21, "chunks of {size}");
        assert_eq!(events[20], "[DONE]");
    }
}

#[tokio::test]
async fn the_other_framings_work_over_the_wire() {
    let client = server(|mut stream, _| async move {
        while request(&mut stream).await.is_some() {
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"a\":1}\n\n22").await;
        }
    })
    .await;
    assert_eq!(all(&client, Framing::Ndjson).await.unwrap(), ["{\"a\":1}", "22"]);
    assert_eq!(all(&client, Framing::Whole).await.unwrap(), ["{\"a\":1}\n\n22"]);
}

#[tokio::test]
async fn dropping_a_reply_closes_its_connection() {
    let (closed, heard) = oneshot::channel();
    let closed = Arc::new(std::sync::Mutex::new(Some(closed)));
    let client = server(move |mut stream, _| {
        let closed = closed.lock().unwrap().take().unwrap();
        async move {
            request(&mut stream).await;
            say(&mut stream, HEAD).await;
            say(&mut stream, chunk("data: 1\n\n")).await;
            // No more bytes come: the end of the stream, or a reset.
            let end = stream.read_u8().await.unwrap_err();
            closed.send(end.kind()).unwrap();
        }
    })
    .await;
    let mut reply = client.send(generate(Framing::Sse)).await.unwrap();
    assert_eq!(reply.next(&mut Vec::new(), 10).await, Ok(1));
    drop(reply);
    heard.await.unwrap();
}

#[tokio::test]
async fn giving_up_before_the_head_closes_the_connection() {
    let (closed, heard) = oneshot::channel();
    let closed = Arc::new(std::sync::Mutex::new(Some(closed)));
    let client = server(move |mut stream, _| {
        let closed = closed.lock().unwrap().take().unwrap();
        async move {
            request(&mut stream).await;
            closed.send(stream.read_u8().await.unwrap_err().kind()).unwrap();
        }
    })
    .await;
    let timeout = Duration::from_millis(50);
    let error = client.get("/ready", timeout, 10).await.unwrap_err();
    assert_eq!(error, EngineError::Timeout { path: "/ready".to_owned(), timeout });
    heard.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_closes_mid_stream_loses_no_event_before() {
    let client = server(|mut stream, _| async move {
        request(&mut stream).await;
        say(&mut stream, HEAD).await;
        say(&mut stream, chunk("data: 1\n\ndata: 2\n\ndata: 3")).await;
    })
    .await;
    let mut reply = client.send(generate(Framing::Sse)).await.unwrap();
    let mut batch = Vec::new();
    let error = loop {
        match reply.next(&mut batch, 10).await {
            Ok(taken) => assert_ne!(taken, 0),
            Err(error) => break error,
        }
    };
    assert_eq!(batch, ["1", "2"]);
    assert!(matches!(error, EngineError::Closed { .. }), "{error}");
    assert_eq!(reply.next(&mut batch, 10).await, Err(error));
}

#[tokio::test]
async fn an_engine_that_closes_before_the_head_is_told_from_one_that_is_not_there() {
    let client = server(|mut stream, _| async move {
        request(&mut stream).await;
    })
    .await;
    let error = all(&client, Framing::Sse).await.unwrap_err();
    assert!(matches!(error, EngineError::Closed { .. }), "{error}");

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::new(&format!("http://{free}"), Limits::default()).unwrap();
    let error = all(&client, Framing::Sse).await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be() {
    for answer in [
        "220 smtp ready\r\n".to_owned(),
        "HTTP/1.1 abc\r\n\r\n".to_owned(),
        format!("{HEAD}xyz\r\n"),
    ] {
        let answer = Arc::new(answer);
        let served = answer.clone();
        let client = server(move |mut stream, _| {
            let answer = served.clone();
            async move {
                request(&mut stream).await;
                say(&mut stream, answer.as_bytes()).await;
            }
        })
        .await;
        let error = all(&client, Framing::Sse).await.unwrap_err();
        assert!(matches!(error, EngineError::BadReply { .. }), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let client = server(|mut stream, _| async move {
        while request(&mut stream).await.is_some() {
            say(&mut stream, HEAD).await;
            say(&mut stream, chunk("data: 1\n\n")).await;
            say(&mut stream, chunk([&b"data: "[..], &[b'x'; 70_000]].concat())).await;
            say(&mut stream, [chunk("\n\n"), b"0\r\n\r\n".to_vec()].concat()).await;
        }
    })
    .await;
    let mut reply = client.send(generate(Framing::Sse)).await.unwrap();
    let mut batch = Vec::new();
    assert_eq!(reply.next(&mut batch, 10).await, Ok(1));
    let over = EngineError::TooLarge { max: 64 << 10 };
    assert_eq!(reply.next(&mut batch, 10).await, Err(over.clone()));
    assert_eq!(reply.next(&mut batch, 10).await, Err(over.clone()));
    assert_eq!(all(&client, Framing::Whole).await.unwrap_err(), over);
    let reply = client.send(generate(Framing::Sse)).await.unwrap();
    assert_eq!(reply.whole(1000).await, Err(EngineError::TooLarge { max: 1000 }));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_engine() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let client = server(move |mut stream, _| {
        let counted = counted.clone();
        async move {
            request(&mut stream).await;
            say(&mut stream, HEAD).await;
            let event = chunk(format!("data: {}\n\n", "x".repeat(10_000)));
            while stream.write_all(&event).await.is_ok() {
                counted.fetch_add(event.len(), Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut reply = client.send(generate(Framing::Sse)).await.unwrap();
    let mut batch = Vec::new();
    assert_eq!(reply.next(&mut batch, 1).await, Ok(1));
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = written.load(Ordering::SeqCst);
        // What the system's socket buffers hold, and one read of ours.
        assert!(now < 64 << 20, "{now} bytes were taken from the engine");
        if now == before {
            break;
        }
        before = now;
    }
    assert_eq!(reply.next(&mut batch, 5).await, Ok(5));
}

#[tokio::test]
async fn a_long_prompt_reaches_an_engine_that_reads_slowly() {
    let client = server(|mut stream, _| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (_, body) = request(&mut stream).await.unwrap();
        let length = body.len().to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", length.len());
        say(&mut stream, head + &length).await;
    })
    .await;
    let body = Bytes::from(vec![b'1'; 20 << 20]);
    let call = Call { body, ..generate(Framing::Whole) };
    let reply = client.send(call).await.unwrap();
    assert_eq!(reply.whole(100).await.unwrap(), (20 << 20).to_string());
}
