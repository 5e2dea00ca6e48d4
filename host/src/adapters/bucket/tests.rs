//! A bucket, played by a server that knows two objects.

#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const OBJECTS: [(&str, &str); 2] =
    [("loras/a b/adapter_config.json", "{}"), ("loras/a b/sub/weights", "numbers")];

/// Answers requests until it is dropped with the test.
async fn serve(listener: TcpListener) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.to_lowercase().contains("credential=key/"), "{head}");
        answer(&mut connection, head.split(' ').nth(1).unwrap()).await;
    }
}

async fn answer(connection: &mut TcpStream, target: &str) {
    let object = |key: &str| {
        let path = format!("/bucket/{}", key.replace(' ', "%20"));
        (target == path).then_some(())
    };
    let body = if target.starts_with("/bucket?") {
        assert!(target.contains("list-type=2"), "{target}");
        listing(target)
    } else {
        OBJECTS.iter().find(|(key, _)| object(key).is_some()).unwrap().1.to_owned()
    };
    let length = body.len();
    let date = "last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\netag: \"1\"";
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n{date}");
    connection.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
}

fn listing(target: &str) -> String {
    let of = |(key, text): &(&str, &str)| {
        format!(
            "<Contents><Key>{key}</Key><Size>{}</Size>\
             <LastModified>2026-01-01T00:00:00Z</LastModified><ETag>\"1\"</ETag></Contents>",
            text.len()
        )
    };
    let found =
        target.contains("prefix=loras%2Fa+b%2F") || target.contains("prefix=loras%2Fa%20b%2F");
    let objects: String = OBJECTS.iter().filter(|_| found).map(of).collect();
    let marker = if found { of(&("loras/a b/", "")) } else { String::new() };
    format!("<ListBucketResult>{marker}{objects}</ListBucketResult>")
}

async fn environment() -> Vec<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    [
        ("AWS_ENDPOINT_URL_S3", ""),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("TOKEN", "not ours"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[tokio::test]
async fn all_under_the_prefix_is_brought_into_one_folder() {
    let kept = tempfile::tempdir().unwrap();
    let folder = fetch("bucket/loras/a b", kept.path(), &environment().await).await.unwrap();
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("adapter_config.json"), "{}");
    assert_eq!(read("sub/weights"), "numbers");
    assert!(folder.path().starts_with(kept.path()));
}

#[tokio::test]
async fn what_is_not_there_leaves_nothing_behind() {
    let kept = tempfile::tempdir().unwrap();
    let failure = fetch("bucket/other", kept.path(), &environment().await).await.unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.message.contains("s3://bucket/other"), "{failure}");
    assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_place_has_a_bucket_and_stays_in_it() {
    let kept = tempfile::tempdir().unwrap();
    for place in ["", "/a", "bucket/../other"] {
        let failure = fetch(place, kept.path(), &[]).await.unwrap_err();
        assert_eq!(failure.kind, Kind::InvalidRequest, "{place}");
    }
}
