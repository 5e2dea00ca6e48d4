//! A request's payload, and the other bytes from outside that the way of a request reads: an engine's
//! answer with media in it, and places in a chunk.
//!
//! The input is read as each of them. `0xff` stands for a long stretch of data, which otherwise no
//! input would be long enough for.

#![no_main]

use std::borrow::Cow;

use bytes::Bytes;
use dynamo_host_blob::Blob;
use dynamo_host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

#[path = "../../../host/plugin/src/held.rs"]
mod held;
#[path = "../../../host/request/src/lift.rs"]
mod lift;
#[path = "../../../host/request/src/msgpack.rs"]
mod msgpack;
#[path = "../../../host/request/src/payload.rs"]
mod payload;
#[path = "../../../host/request/src/splice.rs"]
mod splice;
#[path = "../../../host/request/src/token_ids.rs"]
mod token_ids;

use payload::{Codec, Payload};

/// What the host takes out of a text and keeps.
const LONG: usize = 16 << 10;

/// The member whose text is a medium.
const MEMBER: &str = "b64_json";

fuzz_target!(|data: &[u8]| {
    if let Ok(payload) = Payload::read(data, Codec::Msgpack) {
        check(&payload);
    }
    if let Ok(payload) = Payload::read(data, Codec::Json) {
        check(&payload);
        in_the_other_codec(data, &payload);
    }
    keeps_long_data(data);
    lifts_media(data);
    finds_places(data);
});

fn check(payload: &Payload) {
    serde_json::from_slice::<IgnoredAny>(&payload.body).expect("the body is JSON");
    let Some(ids) = &payload.token_ids else { return };
    let spliced =
        splice::token_ids(&payload.body, "input_ids", ids).expect("the body is an object");
    serde_json::from_slice::<IgnoredAny>(&spliced).expect("it still is");
    let again = Payload::read(&renamed(&spliced), Codec::Json).expect("it can be read again");
    assert_eq!(&again.token_ids, &payload.token_ids);
    assert_eq!(again.body, payload.body);
}

/// The spliced body with the ids under the name that a request has them under.
fn renamed(spliced: &[u8]) -> Vec<u8> {
    let name = b"\"input_ids\":[";
    let at = memchr::memmem::rfind(spliced, name).expect("the ids are there");
    [&spliced[..at], b"\"token_ids\":[", &spliced[at + name.len()..]].concat()
}

fn in_the_other_codec(data: &[u8], payload: &Payload) {
    let value: Value = serde_json::from_slice(data).expect("what is accepted is JSON");
    let packed = rmp_serde::to_vec_named(&value).expect("JSON can be packed");
    let other = Payload::read(&packed, Codec::Msgpack).expect("the codec does not matter");
    let body = |payload: &Payload| serde_json::from_slice::<Value>(&payload.body).ok();
    assert_eq!((&other.token_ids, body(&other)), (&payload.token_ids, body(payload)));
}

fn keeps_long_data(data: &[u8]) {
    let mut body = Vec::with_capacity(data.len());
    for byte in data.iter().take(1024) {
        match byte {
            0xff => body.resize(body.len() + LONG, b'A'),
            byte => body.push(*byte),
        }
    }
    let (short, held) = held::Held::take_out(body.clone(), "1f");
    if memchr::memmem::find(&body, b"held-").is_none() {
        assert_eq!(held.put_back(short), body, "what is taken out comes back");
    }
}

fn lifts_media(data: &[u8]) {
    let Some((seed, answer)) = data.split_first() else { return };
    let whole = lifted([answer]);
    assert_eq!(whole, lifted(pieces(answer, *seed)), "cut by {seed}");
    assert_eq!(whole, lifted(answer.chunks(1)), "cut everywhere");
    let (Some((media, rest)), Ok(mut document)) = (whole, serde_json::from_slice(answer)) else {
        return;
    };
    let Ok(rest) = serde_json::from_slice::<Value>(&rest) else { panic!("the rest is no JSON") };
    put_back(&mut document, &rest, &media);
}

fn lifted<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<(Vec<Blob>, Bytes)> {
    let mut lift = lift::Lift::new(MEMBER.into(), 1 << 10);
    pieces.into_iter().try_for_each(|piece| lift.push(piece)).ok()?;
    Some(lift.finish())
}

/// A number in `rest` stands for the medium whose base64 stands in the document.
fn put_back(document: &mut Value, rest: &Value, media: &[Blob]) {
    match (document, rest) {
        (Value::Object(members), Value::Object(others)) => {
            assert_eq!(members.len(), others.len());
            for (name, member) in members {
                match (member, &others[name]) {
                    (Value::String(text), Value::Number(number)) if name == MEMBER => {
                        let number = number.as_u64().expect("a place in the list") as usize;
                        let mut written = Vec::new();
                        media[number].clone().write_base64(&mut written);
                        assert_eq!(unpadded(&written), unpadded(text.as_bytes()));
                    }
                    (member, other) => put_back(member, other, media),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            assert_eq!(items.len(), others.len());
            items.iter_mut().zip(others).for_each(|(item, other)| put_back(item, other, media));
        }
        (document, rest) => assert_eq!(document, rest),
    }
}

fn unpadded(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    &text[..end]
}

fn finds_places(data: &[u8]) {
    let _ = msgpack::place(data, &[]);
    let Ok(Value::Object(members)) = rmp_serde::from_slice(data) else { return };
    for (name, member) in &members {
        let Some(at) = msgpack::place(data, &[Cow::Borrowed(name)]) else { continue };
        let found = rmp_serde::from_slice::<Value>(&data[at]).expect("what is found is a value");
        // Of a name that is there twice, the first is found and the last kept.
        if data.len() < 256 && memchr::memmem::find_iter(data, name).count() == 1 {
            assert_eq!(&found, member);
        }
    }
}
