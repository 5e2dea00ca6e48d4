//! Sizes, times, types, and servers that misbehave.

use super::server::{Answer, Server};
use super::*;

#[tokio::test]
async fn a_medium_comes_with_its_type() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/typed" => Answer::body("Image/WebP; q=1", b"webp"),
        "/octets" => Answer::body("application/octet-stream", PNG),
        "/untyped" => Answer::head("200 OK"),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(policy());
    for (path, content_type, bytes) in [
        ("/typed", "image/webp", &b"webp"[..]),
        ("/octets", "image/png", PNG),
        ("/untyped", "application/octet-stream", b""),
    ] {
        let blob = fetcher.fetch(&outside.url(path), &limits()).await.unwrap();
        assert_eq!(blob, Blob::new(content_type, bytes), "{path}");
    }
}

#[tokio::test]
async fn a_size_is_refused_as_announced_and_as_sent() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/exact" => Answer::body("image/png", &[0; 1000]),
        "/over" => Answer::body("image/png", &[0; 1001]),
        // The body never comes, so the refusal must come from the header.
        "/announced" => Answer::head("200 OK\r\ncontent-length: 1001").then_stall(),
        "/absurd" => Answer::head("200 OK\r\ncontent-length: 18446744073709551615").then_stall(),
        "/endless" => Answer::endless(),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(policy());
    let exact = fetcher.fetch(&outside.url("/exact"), &limits()).await.unwrap();
    assert_eq!(exact.size(), 1000);
    for path in ["/over", "/announced", "/endless"] {
        let failure = refused(&fetcher, &outside.url(path)).await;
        assert_eq!(
            (failure.kind, failure.public),
            (Kind::PayloadTooLarge, true),
            "{path}: {failure}"
        );
        assert!(failure.message.contains("1000 bytes"), "{path}: {failure}");
    }
    // A length no parser takes for one; what matters is that no room is made for it.
    refused(&fetcher, &outside.url("/absurd")).await;
}

#[tokio::test]
async fn the_operators_limit_holds_below_the_plugins() {
    let outside = Server::start(OUTSIDE, |_| Answer::body("image/png", &[0; 101])).await;
    let fetcher = fetcher(Policy { max_bytes: 100, ..policy() });
    let failure = refused(&fetcher, &outside.url("/")).await;
    assert_eq!(failure.kind, Kind::PayloadTooLarge);
    assert!(failure.message.contains("100 bytes"), "{failure}");
}

#[tokio::test]
async fn an_unwanted_type_is_refused_before_it_is_read() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/html" => Answer::head("200 OK\r\ncontent-type: text/html").then_stall(),
        "/hidden" => Answer::body("application/octet-stream", b"%PDF-1.7"),
        "/unknown" => Answer::body("", b"hello"),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(policy());
    let limits = Limits { accept: vec!["image/".into(), "video/".into()], ..limits() };
    for (path, found) in [
        ("/html", "text/html"),
        ("/hidden", "application/pdf"),
        ("/unknown", "application/octet-stream"),
    ] {
        let failure =
            fetcher.fetch(&outside.url(path), &limits).await.map_err(Failure::from).unwrap_err();
        assert_eq!((failure.kind, failure.public), (Kind::UnsupportedMedia, true), "{failure}");
        let expected = format!("is of type {found}, which is not one of image/, video/");
        assert!(failure.message.ends_with(&expected), "{failure}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_on() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/headers" => Answer::head("200 OK\r\ncontent-length: 10").then_stall(),
        "/redirect" => Answer::to("/headers"),
        other => panic!("{other}"),
    })
    .await;
    let mute = tokio::net::TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let mute = format!("http://{}/", mute.local_addr().unwrap());
    let short = Duration::from_millis(100);
    let by_plugin = Limits { timeout: short, ..limits() };
    for url in [mute, outside.url("/headers"), outside.url("/redirect")] {
        let failure =
            fetcher(policy()).fetch(&url, &by_plugin).await.map_err(Failure::from).unwrap_err();
        assert_eq!(
            (failure.kind, failure.public),
            (Kind::DeadlineExceeded, true),
            "{url}: {failure}"
        );
    }
    let by_operator = fetcher(Policy { timeout: Some(short), ..policy() });
    let failure = refused(&by_operator, &outside.url("/headers")).await;
    assert_eq!(failure.kind, Kind::DeadlineExceeded);
    assert!(failure.message.contains("100 ms"), "{failure}");
}

#[tokio::test]
async fn statuses_tell_whose_fault_it_is() {
    let outside = Server::start(OUTSIDE, |path| {
        Answer::head(format!("{} Status\r\ncontent-length: 0", &path[1..]))
    })
    .await;
    let fetcher = fetcher(policy());
    for (status, kind) in [
        (400, Kind::InvalidRequest),
        (403, Kind::InvalidRequest),
        (404, Kind::InvalidRequest),
        (304, Kind::BackendProtocol),
        (500, Kind::BackendProtocol),
        (503, Kind::BackendProtocol),
    ] {
        let failure = refused(&fetcher, &outside.url(&format!("/{status}"))).await;
        assert_eq!((failure.kind, failure.public), (kind, true), "{failure}");
        assert!(failure.message.ends_with(&format!("the server answered {status}")), "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_has_failed() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/short" => Answer::head("200 OK\r\ncontent-length: 10"),
        "/garbage" => Answer::head("never mind"),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(policy());
    let gone = Server::start(OUTSIDE, |_| Answer::head("200 OK")).await.url("/");
    for url in [outside.url("/short"), outside.url("/garbage"), gone] {
        let failure = refused(&fetcher, &url).await;
        assert_eq!(
            (failure.kind, failure.public),
            (Kind::BackendProtocol, true),
            "{url}: {failure}"
        );
        assert!(failure.message.contains("cannot be reached"), "{failure}");
    }
}
