#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_worker_sdk::testing;

use super::*;
use crate::media::Media;

const TEMPLATE: &str = "{% for message in messages %}{% for part in message.content %}\
    {% if part.type == 'image' %}<image>{% elif part.type == 'video' %}<video>\
    {% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}";

fn worker() -> MultimodalProcessor {
    let tokenizer = json!({"chat_template": TEMPLATE});
    let report = EngineReport {
        files: vec![("tokenizer_config.json".into(), tokenizer.to_string().into_bytes())],
        ..testing::engine_report("/none", &json!(null))
    };
    MultimodalProcessor::configure(Settings::default(), report).unwrap()
}

fn messages(parts: Json) -> Json {
    json!([{"role": "user", "content": parts}])
}

#[test]
fn media_are_taken_out_and_leave_their_place() {
    let mut chat = messages(json!([
        {"type": "image_url", "image_url": {"url": "http://a"}},
        {"type": "text", "text": "and"},
        {"type": "video_url", "video_url": {"url": "http://v"}},
        {"type": "image_url", "image_url": "http://b"},
    ]));
    let media = serde_json::to_value(Media::take(&mut chat).unwrap()).unwrap();
    assert_eq!(media, json!({"image_url": ["http://a", "http://b"], "video_url": ["http://v"]}));
    let kinds: Vec<_> =
        chat[0]["content"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["image", "text", "video", "image"]);
}

#[test]
fn parts_this_worker_does_not_know_are_named() {
    for (parts, what) in [
        (json!("only text"), "no image"),
        (json!([{"type": "input_audio"}]), "messages[0].content[0]: type `input_audio`"),
        (json!([{"type": "image_url"}]), "messages[0].content[0]: image_url.url"),
        (json!([{"type": "image_url", "image_url": {"url": 5}}]), "image_url.url"),
    ] {
        let error = Media::take(&mut messages(parts)).unwrap_err();
        assert!(error.is_public() && error.message().contains(what), "{error:?}");
    }
}

#[test]
fn a_health_check_goes_through_the_template() {
    let worker = worker();
    let check = worker.health_check().unwrap();
    let incoming = Request { probe: true, ..testing::request(check).unwrap().0 };
    let plan = worker.plan(&incoming, &Prompt::List(&[])).unwrap();
    let answered = plan.preface.into_encoded();
    assert_eq!(
        rmp_serde::from_slice::<Json>(&answered[0]).unwrap(),
        json!({"prompt": "<image>Test"})
    );
}
