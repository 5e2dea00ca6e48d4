#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn request(body: Value) -> GenerateRequest {
    serde_json::from_value(body).unwrap()
}

fn take(body: Value) -> Result<Media> {
    Media::take(&mut request(body), &Engine::default(), false)
}

fn hashes(data: Value, extra: Value) -> Option<Vec<String>> {
    let mut request = request(json!({"multi_modal_data": data, "extra_args": extra}));
    let media = Media::take(&mut request, &Engine::default(), false).unwrap();
    media.hashes(&mut request)
}

#[test]
fn urls_in_all_their_forms() {
    let media = take(json!({"multi_modal_data": {
        "image_url": [{"Url": "a"}, "b"], "audio_url": ["c"], "video_url": null,
    }}))
    .unwrap();
    assert_eq!(media.images, ["a", "b"]);
    assert_eq!(media.audios, ["c"]);
    assert_eq!(media.count(), 3);
    assert_eq!(take(json!({"multi_modal_data": null})).unwrap(), Media::default());
    assert_eq!(take(json!({"multi_modal_uuids": {"image_url": [null]}})).unwrap().count(), 0);
}

#[test]
fn what_is_refused_and_whether_the_client_reads_why() {
    for (body, public) in [
        (json!({"multi_modal_data": [1]}), false),
        (json!({"multi_modal_data": {"image_url": [5]}}), false),
        (json!({"multi_modal_data": {"image_url": "a"}}), false),
        (json!({"multi_modal_data": {"image_url": [{"Decoded": {}}]}}), false),
        (json!({"multi_modal_uuids": {"image_url": ["u"]}}), false),
        (json!({"extra_args": {"messages": [{"content": [{"type": "image_url"}]}]}}), true),
    ] {
        let failure = take(body.clone()).unwrap_err().into_failure();
        assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, public), "{body}");
    }
}

#[test]
fn decoded_media_are_not_for_http() {
    let mut request = request(json!({"multi_modal_data": {"image_url": [{"Decoded": {}}]}}));
    let error = Media::take(&mut request, &Engine::default(), true).unwrap_err();
    assert_eq!(error.kind(), Kind::NotImplemented);
}

#[test]
fn a_text_model_takes_no_media() {
    let blind = Engine { multimodal: Some(false), ..Engine::default() };
    let mut with = request(json!({"multi_modal_data": {"image_url": ["a"]}}));
    assert!(Media::take(&mut with, &blind, false).unwrap_err().into_failure().public);
    let mut without = request(json!({"multi_modal_data": {"image_url": []}}));
    assert!(Media::take(&mut without, &blind, false).is_ok());
}

#[test]
fn hashes_fit_or_are_dropped() {
    let data = json!({"video_url": ["v"], "image_url": ["a", "b"]});
    let grouped = json!({"video": ["hv"], "image": ["h1", "h2"]});
    let flat = json!(["x", "y", "z"]);
    assert_eq!(
        hashes(data.clone(), json!({"mm_hashes_by_modality": grouped})).unwrap(),
        ["h1", "h2", "hv"]
    );
    let unfit = json!({"mm_hashes_by_modality": {"image": ["h1"]}, "mm_hashes": flat});
    assert_eq!(hashes(data.clone(), unfit), None);
    assert_eq!(hashes(data.clone(), json!({"mm_hashes": flat})).unwrap(), ["x", "y", "z"]);
    assert_eq!(hashes(data, json!({"mm_hashes": ["x", "y", 3]})), None);
    assert_eq!(hashes(json!({}), json!({"mm_hashes": []})), None);
}

#[test]
fn token_ids_stay_in_the_vocabulary() {
    let engine = Engine { vocabulary: Some(10), image_token: Some(12), ..Engine::default() };
    let image = Media { images: vec!["a".into()], ..Media::default() };
    let none = Media::default();
    assert!(check_token_ids(&Prompt::List(&[0, 9]), &none, &engine).is_ok());
    assert!(check_token_ids(&Prompt::List(&[10]), &none, &engine).is_err());
    assert!(check_token_ids(&Prompt::List(&[12]), &none, &engine).is_err());
    assert!(check_token_ids(&Prompt::List(&[12]), &image, &engine).is_ok());
    assert!(check_token_ids(&Prompt::List(&[99]), &none, &Engine::default()).is_ok());
}
