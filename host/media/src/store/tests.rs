//! Names, URLs, and files that are whole or not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bucket;
mod files;

use dynamo_host_failure::Kind;
use object_store::ObjectStoreExt;

use super::*;

fn no_env() -> [(String, String); 0] {
    []
}

fn open(fs_url: &str) -> Store {
    Store::open(fs_url, None, no_env()).unwrap()
}

fn blob(bytes: &'static [u8]) -> Blob {
    Blob::new("video/mp4", bytes)
}

#[tokio::test]
async fn a_medium_is_kept_with_its_type() {
    let store = open("memory://media");
    store.put("users/me/a.mp4", blob(b"frames")).await.unwrap();
    let path = store.prefix.parts().chain(Path::from("users/me/a.mp4").parts()).collect::<Path>();
    let kept = store.objects.get(&path).await.unwrap();
    let content_type = kept.attributes.get(&Attribute::ContentType).unwrap();
    assert_eq!(content_type.as_ref(), "video/mp4");
    assert_eq!(kept.bytes().await.unwrap(), &b"frames"[..]);
}

#[tokio::test]
async fn urls_are_dynamos() {
    for (fs_url, http_url, url) in [
        ("memory://media", None, "memory:///media/a/b.png"),
        ("memory:///media/", None, "memory:///media/a/b.png"),
        ("memory://media", Some("https://cdn.example/m/"), "https://cdn.example/m/a/b.png"),
        ("memory://media", Some("http://cdn.example"), "http://cdn.example/a/b.png"),
    ] {
        let store = Store::open(fs_url, http_url, no_env()).unwrap();
        assert_eq!(store.put("a/b.png", blob(b"")).await.unwrap(), url);
    }
    for (fs_url, base) in [
        ("file:///tmp/dynamo_media", "file:///tmp/dynamo_media"),
        ("file:///tmp/dynamo_media/", "file:///tmp/dynamo_media"),
        ("s3://bucket/prefix/", "s3://bucket/prefix"),
        ("s3a://bucket", "s3://bucket"),
        ("gcs://bucket/prefix", "gs://bucket/prefix"),
        ("az://container/prefix", "abfs://container/prefix"),
    ] {
        assert_eq!(Location::parse(fs_url, None).unwrap().into_base(), base, "{fs_url}");
    }
}

#[tokio::test]
async fn a_url_leads_to_the_medium_whatever_its_name() {
    let store = Store::open("memory://media", Some("https://cdn.example"), no_env()).unwrap();
    let url = store.put("users/a b?c#d%e/ü.png", blob(b"")).await.unwrap();
    assert_eq!(url, "https://cdn.example/users/a%20b%3Fc%23d%25e/%C3%BC.png");
}

#[tokio::test]
async fn every_object_store_opens() {
    let env = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
        // Names the client would take for options, were they not kept from it.
        ("TOKEN", "other"),
        ("ENDPOINT", "not a URL"),
        ("BUCKET", "other"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (fs_url, prefix) in [
        ("s3://bucket/a/b", "a/b"),
        ("gs://bucket", ""),
        ("gcs://bucket/a", "a"),
        ("az://container/a", "a"),
    ] {
        let store = Store::open(fs_url, None, env.clone()).unwrap();
        assert_eq!(store.prefix.as_ref(), prefix, "{fs_url}");
    }
}

#[test]
fn urls_that_cannot_be_used_name_their_flag() {
    for (fs_url, http_url, problem) in [
        ("/tmp/media", None, "no ://"),
        ("", None, "no ://"),
        ("ftp://host/media", None, "ftp is not a kind of store"),
        ("https://host/media", None, "https is not a kind of store"),
        ("file://tmp/media", None, "must be absolute"),
        ("file://", None, "must be absolute"),
        ("s3://", None, "no bucket"),
        ("s3:///prefix", None, "no bucket"),
        ("file:///tmp/a#b", None, "%3F and %23"),
        ("memory://media", Some("cdn.example/m"), "--media-output-http-url cdn.example/m"),
        ("memory://media", Some("ftp://cdn.example"), "neither http nor https"),
        ("memory://media", Some("https://cdn.example/?m="), "cannot follow"),
    ] {
        let error = Store::open(fs_url, http_url, no_env()).err().expect(fs_url).to_string();
        assert!(error.contains(problem), "{fs_url}: {error}");
        assert!(error.starts_with("--media-output-"), "{error}");
    }
}

/// Names that must not be kept, in any store.
fn escapes() -> Vec<String> {
    let mut names = [
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/..",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "..\\a",
        "C:\\a",
        "a\0b",
        "a\nb",
        "a\u{7f}b",
        "a\u{9b}b",
        "a.mp4#1",
    ]
    .map(String::from)
    .to_vec();
    names.push("a".repeat(241));
    names.push("a/".repeat(400) + "a");
    names
}

#[tokio::test]
async fn names_that_lead_out_are_refused() {
    let store = open("memory://media");
    for name in escapes() {
        let failure = store.put(&name, blob(b"")).await.expect_err(&name);
        assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, true), "{failure}");
        assert!(failure.message.len() < 400, "{failure}");
    }
}
