#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::testing::{self, Converted};
use crate::{Error, Fresh, Kind, Request};

fn incoming(body: Value) -> Request {
    let (request, _) = testing::request(body).unwrap();
    Request { fresh: Fresh { bootstrap_room: 77, seed: 1, ..request.fresh }, ..request }
}

fn asked(groups: Value, way: Value) -> MultimodalRequest {
    let request = json!({
        "request": {"token_ids": [1], "stop_conditions": {}, "sampling_options": {}},
        "multimodal_inputs": groups,
        "transfer_payload": way,
    });
    read(&incoming(request)).unwrap()
}

fn frames(converted: Converted) -> Vec<Value> {
    assert!(converted.error.is_none(), "{:?}", converted.error);
    let text = |chunk: &Value| serde_json::from_str(chunk.as_str().unwrap()).unwrap();
    converted.chunks.iter().map(text).collect()
}

const ERROR: &str = r#"{"error": {"message": "boom", "code": 500}}"#;

#[test]
fn a_request_may_be_text() {
    let text = r#"{"request": {"stop_conditions": {}, "sampling_options": {"top_k": 5}}}"#;
    let request: MultimodalRequest = read(&incoming(json!(text))).unwrap();
    assert_eq!(request.request.sampling_options.top_k, Some(5.into()));
    let error = read::<MultimodalRequest>(&incoming(json!("no JSON"))).unwrap_err();
    assert!(!error.is_public());
}

#[test]
fn a_request_without_options_is_none() {
    let error = read::<Preprocessed>(&incoming(json!({"token_ids": [1]}))).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidRequest);
    assert!(error.message().contains("stop_conditions"), "{error:?}");
}

#[test]
fn what_goes_out_comes_in() {
    let request = asked(json!([]), json!(null)).request;
    let media = vec![Group::image("http://a".into()), Group::video("http://b".into())];
    let sent = serde_json::to_value(MultimodalRequest::new(request, media)).unwrap();
    assert_eq!(
        sent["multimodal_inputs"][0],
        json!({"multimodal_input": {"image_url": "http://a"}})
    );
    let got: MultimodalRequest = read(&incoming(sent)).unwrap();
    let [image, video] = got.media().unwrap()[..] else { panic!() };
    assert_eq!(image.image_url.as_deref(), Some("http://a"));
    assert_eq!(video.video_url.as_deref(), Some("http://b"));
}

#[test]
fn embeddings_that_come_another_way_are_refused() {
    let grid = json!([{"image_grid_thw": [1, 4, 4], "num_mm_tokens": 4}]);
    let media = |groups: &Value, way| asked(groups.clone(), way).media().map(|media| media.len());
    let of_dynamo = json!({"embeddings_shape": [4, 2], "serialized_request": "..."});
    assert_eq!(media(&grid, of_dynamo).unwrap_err().kind(), Kind::NotImplemented);
    assert_eq!(media(&grid, json!(null)).unwrap_err().kind(), Kind::InvalidRequest);
    let nothing = json!([{"image_grid_thw": null, "num_mm_tokens": 0}, {}]);
    assert_eq!(media(&nothing, json!(null)).unwrap(), 0);
}

#[test]
fn every_choice_ends_with_a_frame_of_its_own() {
    let mut converter = Frames::new(Some(2), Fault::Frame { room: None });
    let got = frames(testing::convert(
        &mut converter,
        &[
            r#"{"index": 1, "output_ids": [5], "text": "a", "meta_info": {"finish_reason": null}}"#,
            r#"{"index": 1, "output_ids": [], "meta_info": {"finish_reason": {"type": "stop"}}}"#,
            r#"{"index": 0, "output_ids": [6], "meta_info": {"finish_reason": {"type": "length"}}}"#,
            "[DONE]",
        ],
    ));
    assert_eq!(
        got,
        [
            json!({"token_ids": [5], "index": 1, "text": "a", "finished": false}),
            json!({"token_ids": [], "index": 1, "text": "", "finished": true, "finish_reason": "stop"}),
            json!({"token_ids": [6], "index": 0, "text": "", "finished": true, "finish_reason": "length"}),
        ]
    );
}

#[test]
fn an_engine_that_fails_ends_with_a_frame() {
    let mut converter = Frames::new(None, Fault::Frame { room: Some(77) });
    let got = frames(testing::convert(&mut converter, &[ERROR]));
    let said = json!({
        "token_ids": [], "finish_reason": "error", "error": "boom", "finished": true,
        "bootstrap_room": 77,
    });
    assert_eq!(got, [said]);
}

#[test]
fn what_the_client_did_wrong_stays_a_failure() {
    let refusal = r#"{"error": {"message": "no image", "code": 400}}"#;
    let mut converter = Frames::new(None, Fault::Frame { room: None });
    let error = testing::convert(&mut converter, &[refusal]).error.unwrap();
    assert_eq!((error.kind(), error.message()), (Kind::InvalidRequest, "no image"));
}

#[test]
fn a_health_check_sees_the_engine_fail() {
    let aborted = r#"{"output_ids": [], "meta_info": {"finish_reason":
        {"type": "abort", "message": "out of memory", "status_code": 500}}}"#;
    for event in [ERROR, aborted] {
        let mut converter = Frames::new(None, Fault::Failure);
        assert!(testing::convert(&mut converter, &[event]).error.is_some(), "{event}");
    }
}

#[test]
fn a_medium_the_encoder_cannot_read_is_refused() {
    let aborted = r#"{"output_ids": [], "meta_info": {"finish_reason":
        {"type": "abort", "message": "Could not decode image", "status_code": 400}}}"#;
    let first = r#"{"output_ids": [5], "meta_info": {"finish_reason": null}}"#;
    let new = |media| Frames::new(None, Fault::Frame { room: None }).with_media(media);
    let refused = testing::convert(&mut new(true), &[aborted]).error.unwrap();
    assert!(refused.is_public() && refused.kind() == Kind::InvalidRequest);
    for (media, events) in [(false, &[aborted][..]), (true, &[first, aborted])] {
        let told = frames(testing::convert(&mut new(media), events));
        assert_eq!(told.last().unwrap()["finish_reason"], "cancelled");
    }
}

#[test]
fn an_engine_that_hangs_up_is_gone() {
    let mut converter = Frames::new(None, Fault::Frame { room: None });
    let event = r#"{"output_ids": [1], "meta_info": {"finish_reason": null}}"#;
    let error: Error = testing::convert(&mut converter, &[event]).error.unwrap();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn stop_strings_are_for_prompts_in_text() {
    let params = |request: Value| {
        let request: Preprocessed = read(&incoming(request)).unwrap();
        sampling_params(&request, &Default::default()).unwrap()
    };
    let stop = json!({"stop": ["x"], "max_tokens": 3});
    let in_text = json!({"prompt": "a", "stop_conditions": stop, "sampling_options": {}});
    assert_eq!(Value::Object(params(in_text)), json!({"max_new_tokens": 3, "stop": ["x"]}));
    let in_tokens = json!({"token_ids": [1], "stop_conditions": stop, "sampling_options": {}});
    assert_eq!(Value::Object(params(in_tokens)), json!({"max_new_tokens": 3}));
}

#[test]
fn endpoints_are_in_the_workers_namespace() {
    let settings =
        |namespace: Value| serde_json::from_value(json!({"namespace": namespace})).unwrap();
    assert_eq!(Peer::Worker.endpoint(&settings(json!("vl"))), "vl.backend.generate");
    assert_eq!(Peer::Prefill.endpoint(&settings(json!(null))), "dynamo.prefill.generate");
}
