//! Images and videos as a case scripts them: what the plugin has the host fetch or store is an
//! exchange like one with the engine, with the method `HOST`.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dynamo_host_plugin::{Blob, Failure, Kind, MediaAccess, MediaLimits};
use dynamo_host_request::Reply;
use serde_json::{Value, json};

use crate::case::Medium;
use crate::script::{Control, Seen, body};

#[async_trait]
impl MediaAccess for Control {
    async fn fetch(&self, url: &str, limits: MediaLimits) -> Result<Blob, Failure> {
        let asked = json!({
            "url": url,
            "max_bytes": limits.max_bytes,
            "timeout_ms": limits.timeout_ms,
            "accept": limits.accept,
        });
        let answer = self.media("/media/fetch", asked).await?;
        let wrong = |why: String| Failure::internal(format!("the case: no medium: {why}"));
        let medium: Medium =
            serde_json::from_value(answer).map_err(|error| wrong(error.to_string()))?;
        let bytes = medium.bytes().map_err(wrong)?;
        Ok(Blob::new(medium.content_type, bytes))
    }

    async fn store(&self, name: &str, blob: &Blob) -> Result<String, Failure> {
        let asked = json!({
            "name": name,
            "content_type": blob.content_type(),
            "base64": STANDARD.encode(blob.clone().into_bytes()),
        });
        match self.media("/media/store", asked).await? {
            Value::String(url) => Ok(url),
            other => Err(Failure::internal(format!("the case: {other} is no URL"))),
        }
    }
}

impl Control {
    /// Notes what was asked for, and gives the case's answer: a status that is not 2xx is a failure
    /// a client may read, like the host's own about a URL.
    async fn media(&self, path: &str, asked: Value) -> Result<Value, Failure> {
        let answer = self.answer(Seen::asked("HOST", path, asked))?;
        let status = answer.status();
        let whole = answer.whole(usize::MAX).await;
        let whole = whole.map_err(|error| Failure::unavailable(error.to_string()))?;
        match status {
            200..=299 => Ok(body(&whole)),
            _ => Err(Failure::public(kind(status), String::from_utf8_lossy(&whole))),
        }
    }
}

/// The kinds the host's own fetch and store fail with.
fn kind(status: u16) -> Kind {
    match status {
        413 => Kind::PayloadTooLarge,
        415 => Kind::UnsupportedMedia,
        400..=499 => Kind::InvalidRequest,
        502 => Kind::BackendProtocol,
        504 => Kind::DeadlineExceeded,
        _ => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::case::Exchange;
    use crate::script::{Pace, Script};

    fn control(replies: &[Value]) -> (Control, Script) {
        let exchanges: Vec<Exchange> = replies
            .iter()
            .map(|reply| serde_json::from_value(json!({"reply": reply})).unwrap())
            .collect();
        let script = Script::new(&exchanges, Pace::OneByOne);
        let control = Control::default();
        control.play(&script);
        (control, script)
    }

    #[tokio::test]
    async fn a_case_says_what_is_fetched_and_where_it_is_stored() {
        let (control, script) = control(&[
            json!({"body": {"content_type": "image/png", "base64": "UE5H"}}),
            json!({"body": "https://cdn/x.png"}),
        ]);
        let limits = MediaLimits { max_bytes: 9, timeout_ms: 7, accept: vec!["image/".into()] };
        let blob = control.fetch("https://a/b.png", limits).await.unwrap();
        assert_eq!(blob, Blob::new("image/png", &b"PNG"[..]));
        assert_eq!(control.store("x.png", &blob).await.unwrap(), "https://cdn/x.png");
        let seen = script.seen();
        assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("HOST", "/media/fetch"));
        assert_eq!(seen[0].body["accept"], json!(["image/"]));
        let stored = json!({"name": "x.png", "content_type": "image/png", "base64": "UE5H"});
        assert_eq!(seen[1].body, stored);
    }

    #[tokio::test]
    async fn a_status_that_is_not_2xx_is_a_failure() {
        let (control, _) = control(&[json!({"status": 413, "body": "too much"})]);
        let limits = MediaLimits { max_bytes: 1, timeout_ms: 1, accept: Vec::new() };
        let refused = control.fetch("https://a", limits).await.unwrap_err();
        assert_eq!((refused.kind, refused.message.as_str()), (Kind::PayloadTooLarge, "too much"));
    }
}
