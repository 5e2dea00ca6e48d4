//! Images and videos a plugin names and the host moves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{all_grants, component, told_to};
use dynamo_host_plugin::{
    Blob, Failure, Grant, Grants, Held, Hooks, Kind, Limits, LoadError, MediaAccess, MediaLimits,
    Plugin, Request, ResponsePlan, Runtime,
};
use serde_json::{Value, json};

/// Media that are as long as their URL says, and a store that notes what it gets.
#[derive(Clone, Default)]
struct ScriptedMedia {
    asked: Arc<Mutex<Vec<MediaLimits>>>,
    stored: Arc<Mutex<Vec<(String, Blob)>>>,
    delay: Duration,
}

#[async_trait]
impl MediaAccess for ScriptedMedia {
    async fn fetch(&self, url: &str, limits: MediaLimits) -> Result<Blob, Failure> {
        tokio::time::sleep(self.delay).await;
        self.asked.lock().unwrap().push(limits.clone());
        let size: u64 = url.parse().map_err(|_| Failure::public(Kind::InvalidRequest, "no"))?;
        if size > limits.max_bytes {
            return Err(Failure::public(Kind::PayloadTooLarge, "too large"));
        }
        let bytes: Bytes = (0..size).map(|byte| byte as u8).collect();
        Ok(Blob::new("image/png", bytes))
    }

    async fn store(&self, name: &str, blob: &Blob) -> Result<String, Failure> {
        tokio::time::sleep(self.delay).await;
        if name.contains("..") {
            return Err(Failure::public(Kind::InvalidRequest, "leads out"));
        }
        self.stored.lock().unwrap().push((name.into(), blob.clone()));
        Ok(format!("https://cdn/{name}"))
    }
}

async fn plan(media: &ScriptedMedia, limits: Limits, body: Value) -> Result<ResponsePlan, Failure> {
    let runtime = Runtime::new(Limits { instances: 4, ..limits }).unwrap();
    let plugin =
        Plugin::load(&runtime, &component("moves_media").await, &all_grants()).await.unwrap();
    plugin.connect(Hooks { media: Some(Arc::new(media.clone())), ..Hooks::default() });
    let request = Request { body: body.to_string().into_bytes(), ..told_to("move") };
    plugin
        .session()
        .await
        .unwrap()
        .plan(&vec![0xc0], &request, Arc::from([]), Held::default())
        .await
}

fn chunks(plan: &ResponsePlan) -> Vec<Value> {
    plan.preface.iter().map(|chunk| rmp_serde::from_slice(chunk).unwrap()).collect()
}

#[tokio::test]
async fn a_plugin_fetches_looks_and_stores() {
    let media = ScriptedMedia::default();
    let body = json!({"fetch": ["4"], "store": "a/b.png"});
    let plan = plan(&media, Limits::default(), body).await.unwrap();
    assert_eq!(
        chunks(&plan),
        [json!({
            "size": 4, "content_type": "image/png", "second_and_third": [1, 2],
            "past_the_end": [], "url": "https://cdn/a/b.png",
        })]
    );
    {
        let limits = &media.asked.lock().unwrap()[0];
        assert_eq!((limits.max_bytes, limits.timeout_ms), (1 << 20, 5_000));
        assert_eq!(limits.accept, ["image/"]);
    }
    let stored = media.stored.lock().unwrap();
    assert_eq!(stored[0], ("a/b.png".into(), Blob::new("image/png", vec![0, 1, 2, 3])));
}

#[tokio::test]
async fn refusals_keep_their_kind_and_words() {
    let media = ScriptedMedia::default();
    let refused = plan(&media, Limits::default(), json!({"fetch": ["x"]})).await.unwrap_err();
    assert_eq!(refused, Failure::public(Kind::InvalidRequest, "no"));
    let body = json!({"fetch": ["1"], "store": "../x"});
    let refused = plan(&media, Limits::default(), body).await.unwrap_err();
    assert_eq!(refused, Failure::public(Kind::InvalidRequest, "leads out"));
}

/// What a plugin holds lives in the host's memory, and is counted there.
#[tokio::test]
async fn what_a_plugin_holds_is_bounded() {
    let media = ScriptedMedia::default();
    let limits = || Limits { media_bytes: 100, ..Limits::default() };
    let refused = plan(&media, limits(), json!({"fetch": ["60", "60"]})).await.unwrap_err();
    assert_eq!(refused.kind, Kind::PayloadTooLarge);
    let limit_of = |fetch: usize| media.asked.lock().unwrap()[fetch].max_bytes;
    assert_eq!((limit_of(0), limit_of(1)), (100, 40));

    let body = json!({"fetch": ["60", "60"], "drop": true});
    assert_eq!(chunks(&plan(&media, limits(), body).await.unwrap()).len(), 2);
}

/// The plugin's time is what it computes.
#[tokio::test]
async fn waiting_is_not_computing() {
    let media = ScriptedMedia { delay: Duration::from_millis(120), ..ScriptedMedia::default() };
    let limits = Limits { call: Duration::from_millis(100), ..Limits::default() };
    let body = json!({"fetch": ["4"], "store": "a"});
    assert_eq!(plan(&media, limits, body).await.unwrap().preface.len(), 1);
}

#[tokio::test]
async fn media_must_be_granted() {
    let runtime = Runtime::new(Limits { instances: 4, ..Limits::default() }).unwrap();
    let grants = Grants::only([Grant::Log, Grant::Engine]);
    let refused =
        Plugin::load(&runtime, &component("moves_media").await, &grants).await.unwrap_err();
    assert!(matches!(refused, LoadError::NotGranted { grant: Grant::Media, .. }), "{refused}");
}
