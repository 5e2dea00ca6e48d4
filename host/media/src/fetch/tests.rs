//! Fetching, mostly what must not be fetched.
//!
//! In these tests 127.0.0.1 plays the Internet; every other address of the loopback network, on
//! which tests listen too, lies inside the operator's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inside;
mod limits;
mod local;
mod server;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dynamo_host_failure::{Failure, Kind};

use super::*;
use crate::names::Lookup;

/// The address outside.
const OUTSIDE: &str = "127.0.0.1";
/// An address inside, on which a server can listen.
const INSIDE: &str = "127.0.0.2";

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn is_inside(address: IpAddr) -> bool {
    address.to_string() != OUTSIDE
}

/// Plain HTTP, and nothing inside.
fn policy() -> Policy {
    Policy { allow_http: true, ..Policy::default() }
}

fn limits() -> Limits {
    Limits { max_bytes: 1000, timeout: Duration::from_secs(60), accept: Vec::new() }
}

fn fetcher(policy: Policy) -> Fetcher {
    Fetcher::over(policy, Arc::new(ScriptedNames::default()), is_inside).unwrap()
}

async fn refused(fetcher: &Fetcher, url: &str) -> Failure {
    fetcher.fetch(url, &limits()).await.expect_err(url).into()
}

/// A resolver whose answers to each name come in turn, the last one again and again.
#[derive(Default)]
struct ScriptedNames {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    lookups: Mutex<Vec<String>>,
}

impl ScriptedNames {
    fn new(answers: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let addresses =
            |answer: &[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers = answers
            .iter()
            .map(|(name, turns)| {
                ((*name).to_owned(), turns.iter().map(|answer| addresses(answer)).collect())
            })
            .collect();
        Arc::new(ScriptedNames { answers: Mutex::new(answers), lookups: Mutex::default() })
    }

    fn lookups(&self) -> Vec<String> {
        self.lookups.lock().unwrap().clone()
    }
}

impl Names for ScriptedNames {
    fn lookup(&self, host: String) -> Lookup {
        self.lookups.lock().unwrap().push(host.clone());
        let answer = self.answers.lock().unwrap().get_mut(&host).map(|turns| {
            if turns.len() > 1 { turns.pop_front().unwrap() } else { turns[0].clone() }
        });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such host")) })
    }
}

#[tokio::test]
async fn what_is_no_url_is_refused() {
    let fetcher = fetcher(policy());
    for url in
        ["", "  ", "http://", "https://:80/", "http://[::1", "http://a b/", "http://1.2.3.4.5/"]
    {
        let failure = refused(&fetcher, url).await;
        assert_eq!(
            (failure.kind, failure.public),
            (Kind::InvalidRequest, true),
            "{url}: {failure}"
        );
    }
}

#[tokio::test]
async fn other_schemes_are_refused() {
    let fetcher = fetcher(Policy { allow_internal: true, ..policy() });
    for url in [
        "ftp://example.com/a.png",
        "gopher://example.com/",
        "javascript:alert(1)",
        "s3://bucket/a.png",
        "ws://example.com/",
        "unix:///run/docker.sock",
        "blob:https://example.com/1",
    ] {
        let failure = refused(&fetcher, url).await;
        assert_eq!(failure.kind, Kind::InvalidRequest, "{failure}");
        assert!(failure.message.contains("only https, http, data and file"), "{failure}");
    }
}

#[tokio::test]
async fn plain_http_needs_the_operators_word() {
    let failure = refused(&fetcher(Policy::default()), "http://example.com/a.png").await;
    assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, true));
    assert!(failure.message.contains("DYN_MM_ALLOW_INTERNAL=1"), "{failure}");
}

#[tokio::test]
async fn a_data_url_needs_no_network() {
    let blob = fetcher(Policy::default()).fetch("data:;base64,iVBORw0KGgo=", &limits()).await;
    assert_eq!(blob.unwrap().content_type(), "image/png");
}
