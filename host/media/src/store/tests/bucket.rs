//! A store that speaks S3, played by a server that takes one request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers one request, and returns its head and its body.
async fn serve_once(listener: TcpListener, answer: &str) -> (String, Vec<u8>) {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = header(&head, "content-length").parse().unwrap();
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    connection.write_all(answer.as_bytes()).await.unwrap();
    (head, body)
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        .unwrap_or_default()
}

async fn bucket(names: [&str; 3]) -> (TcpListener, Store) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let env = names.map(String::from).into_iter().zip(["key".into(), "secret".into(), endpoint]);
    let store = Store::open("s3://bucket/media", Some("https://cdn.example"), env).unwrap();
    (listener, store)
}

#[tokio::test]
async fn a_medium_is_put_into_the_bucket() {
    for names in [
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"],
        ["FSSPEC_S3_KEY", "FSSPEC_S3_SECRET", "FSSPEC_S3_ENDPOINT_URL"],
    ] {
        let (listener, store) = bucket(names).await;
        let answer = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\n\r\n";
        let (url, (head, body)) = tokio::join!(
            store.put("users/a b/1.mp4", blob(b"frames")),
            serve_once(listener, answer)
        );
        assert_eq!(url.unwrap(), "https://cdn.example/users/a%20b/1.mp4");
        assert!(head.starts_with("PUT /bucket/media/users/a%20b/1.mp4 HTTP/1.1\r\n"), "{head}");
        assert_eq!(header(&head, "content-type"), "video/mp4");
        assert!(header(&head, "authorization").contains("Credential=key/"), "{head}");
        assert_eq!(body, b"frames");
    }
}

#[tokio::test]
async fn a_refusal_of_the_bucket_is_the_operators_matter() {
    let (listener, store) =
        bucket(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"]).await;
    let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
    let (url, _) = tokio::join!(store.put("1.mp4", blob(b"frames")), serve_once(listener, answer));
    let failure = url.unwrap_err();
    assert_eq!((failure.kind, failure.public), (Kind::Internal, false));
    assert!(failure.message.contains("--media-output-fs-url"), "{failure}");
}
