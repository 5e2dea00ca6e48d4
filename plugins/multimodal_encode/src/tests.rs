#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;

fn worker() -> MultimodalEncode {
    let config = json!({"image_token_id": 42, "vocab_size": 100});
    let report = EngineReport {
        files: vec![("config.json".into(), config.to_string().into_bytes())],
        ..testing::engine_report("/none", &json!(null))
    };
    MultimodalEncode::configure(Settings::default(), report).unwrap()
}

fn refusal(request: Json) -> Error {
    let error = testing::plan(&worker(), request).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidRequest, "{error:?}");
    error
}

fn request(ids: &[u32], media: Json) -> Json {
    json!({
        "token_ids": ids, "multi_modal_data": media, "stop_conditions": {}, "sampling_options": {},
    })
}

#[test]
fn a_token_for_each_image() {
    let two = json!({"image_url": [{"Url": "a"}, {"Url": "b"}]});
    for ids in [&[1, 42, 2][..], &[1, 2], &[42, 42, 42]] {
        let error = refusal(request(ids, two.clone()));
        assert!(error.message().contains("for 2 images"), "{error:?}");
    }
}

#[test]
fn media_this_worker_cannot_encode() {
    for media in [
        json!({"audio_url": [{"Url": "a"}]}),
        json!({"image_url": [{"Url": "a"}], "audio_url": [{"Url": "a"}]}),
        json!({"video_url": [{"Url": "a"}]}),
        json!({"image_url": [{"Url": "a", "Decoded": {}}]}),
        json!({}),
    ] {
        refusal(request(&[1, 42, 2], media));
    }
}

#[test]
fn a_token_beyond_the_vocabulary() {
    let error = refusal(request(&[100, 42], json!({"image_url": ["a"]})));
    assert!(error.message().contains("100"), "{error:?}");
}

#[test]
fn the_encoder_says_how_it_is() {
    let probe = Request { probe: true, ..incoming() };
    let plan = worker().plan(&probe, &Prompt::List(&[])).unwrap();
    let call = plan.next.unwrap().into_call().unwrap();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/health"));
    let mut converter = plan.converter;
    let answered = testing::convert(&mut converter, &[]);
    assert_eq!(answered.chunks, [json!({"healthy": true})]);
}

#[test]
fn an_encoder_is_started() {
    let start = Start {
        settings: b"{}".to_vec(),
        model_path: Some("m".into()),
        served_name: None,
        arguments: Vec::new(),
        host: "127.0.0.1".into(),
        port: 30000,
        scratch: "/scratch".into(),
    };
    let setup = MultimodalEncode::prepare(Settings::default(), start).unwrap().unwrap();
    assert!(setup.arguments.contains(&"--encoder-only".to_owned()));
    assert_eq!(setup.contact.ready, "/health");
}

fn incoming() -> Request {
    testing::request(json!({})).unwrap().0
}
