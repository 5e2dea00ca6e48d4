//! Which connection a call goes over.
#![allow(clippy::unwrap_used)]

mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dynamo_host_engine::{Call, Client, EngineError, Framing};

use scripted::{HEAD, all, chunk, generate, request, say, server};

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let client = server(move |mut stream, number| {
        counted.store(number + 1, Ordering::SeqCst);
        async move {
            while request(&mut stream).await.is_some() {
                let body = [chunk("data: 1\n\n"), b"0\r\n\r\n".to_vec()].concat();
                say(&mut stream, HEAD).await;
                say(&mut stream, body).await;
            }
        }
    })
    .await;
    for _ in 0..5 {
        assert_eq!(all(&client, Framing::Sse).await.unwrap(), ["1"]);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // Two at once need two.
    let (one, other) = tokio::join!(all(&client, Framing::Sse), all(&client, Framing::Sse));
    assert_eq!((one.unwrap().len(), other.unwrap().len()), (1, 1));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_closed_while_idle_fails_no_request() {
    let (gone, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let client = server(move |mut stream, number| {
        let gone = gone.clone();
        async move {
            request(&mut stream).await;
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            drop(stream);
            gone.send(number).unwrap();
        }
    })
    .await;
    for number in 0..3 {
        assert_eq!(all(&client, Framing::Whole).await.unwrap(), ["ok"]);
        assert_eq!(heard.recv().await, Some(number));
        // A turn of the reactor, in which the close is noticed.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Answers once, and closes each first connection on the second request, unanswered.
async fn server_that_closes_when_asked_again() -> (Client, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let client = server(move |mut stream, number| {
        let seen = counted.clone();
        async move {
            while request(&mut stream).await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
                if number == 0 && seen.load(Ordering::SeqCst) == 2 {
                    return;
                }
                say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    (client, seen)
}

#[tokio::test]
async fn a_call_that_a_closing_connection_swallowed_is_sent_again() {
    let (client, seen) = server_that_closes_when_asked_again().await;
    for _ in 0..2 {
        assert_eq!(all(&client, Framing::Whole).await.unwrap(), ["ok"]);
    }
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_the_engine_must_not_see_twice_goes_over_a_connection_of_its_own() {
    let (client, seen) = server_that_closes_when_asked_again().await;
    assert_eq!(all(&client, Framing::Whole).await.unwrap(), ["ok"]);
    let once = Call { repeatable: false, ..generate(Framing::Whole) };
    assert_eq!(client.send(once).await.unwrap().status(), 200);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

/// A new connection that closes is an engine that failed.
#[tokio::test]
async fn a_call_over_a_new_connection_is_not_sent_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let client = server(move |mut stream, _| {
        let seen = counted.clone();
        async move {
            request(&mut stream).await;
            seen.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    assert!(matches!(all(&client, Framing::Whole).await, Err(EngineError::Closed { .. })));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_on_which_the_engine_failed_is_not_used_again() {
    let client = server(|mut stream, number| async move {
        request(&mut stream).await;
        let status = if number == 0 { "500 Internal Server Error" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        say(&mut stream, answer).await;
        // Whoever would send on this connection would wait for ever.
        std::future::pending().await
    })
    .await;
    let failed = client.send(generate(Framing::Whole)).await.unwrap();
    assert_eq!(failed.status(), 500);
    assert_eq!(failed.whole(1000).await.unwrap(), "ok");
    assert_eq!(all(&client, Framing::Whole).await.unwrap(), ["ok"]);
}
