//! Writing blobs into documents: the body of a call, in JSON, or a response chunk, in MessagePack.
//!
//! What stands at the place is cut out and the blob, as a string, put in. The document is otherwise
//! untouched, and the blob is freed piece by piece as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use dynamo_host_failure::Failure;
use dynamo_host_plugin::{Inlay, InlayForm};
use serde_json::value::RawValue;

use crate::msgpack;

/// Writes blobs into the JSON document `body`.
///
/// # Errors
/// [`Kind::Internal`](dynamo_host_failure::Kind), a defect of the plugin: `body` is not JSON, or
/// there is no such place in it.
pub fn into_json(body: &[u8], inlays: Vec<Inlay>) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| defect("a body that is not UTF-8"))?;
    let places = inlays
        .into_iter()
        .map(|inlay| {
            let place = place_in_json(text, &inlay.at).ok_or_else(|| no_place(&inlay))?;
            Ok((place, inlay))
        })
        .collect::<Result<_, Failure>>()?;
    fill(body, places, |_, document| document.push(b'"'), b"\"")
}

/// Writes blobs into the MessagePack value `chunk`.
///
/// # Errors
/// As [`into_json`]; also a blob too long for a MessagePack string, of 4 GiB.
pub fn into_msgpack(chunk: &[u8], inlays: Vec<Inlay>) -> Result<Vec<u8>, Failure> {
    let places: Vec<_> = inlays
        .into_iter()
        .map(|inlay| {
            if u32::try_from(written_len(&inlay)).is_err() {
                return Err(Failure::internal("a medium too long for a response chunk"));
            }
            let place =
                msgpack::place(chunk, &tokens(&inlay.at)).ok_or_else(|| no_place(&inlay))?;
            Ok((place, inlay))
        })
        .collect::<Result<_, Failure>>()?;
    let head = |length: u64, document: &mut Vec<u8>| {
        // `length` fits, and a `Vec` takes whatever is written.
        let _ = rmp::encode::write_str_len(document, length as u32);
    };
    fill(chunk, places, head, b"")
}

/// Copies `document` with the blobs in their places; `head` writes what comes before a string of a
/// given length.
fn fill(
    document: &[u8],
    mut places: Vec<(Range<usize>, Inlay)>,
    head: impl Fn(u64, &mut Vec<u8>),
    tail: &[u8],
) -> Result<Vec<u8>, Failure> {
    const LONGEST_HEAD: u64 = 5;
    places.sort_by_key(|(place, _)| place.start);
    let blobs: u64 = places.iter().map(|(_, inlay)| written_len(inlay) + LONGEST_HEAD + 1).sum();
    let too_large = |_| Failure::internal("media too large for the memory of this machine");
    let length = usize::try_from(document.len() as u64 + blobs).map_err(too_large)?;
    let mut filled = Vec::with_capacity(length);
    let mut copied = 0;
    for (place, inlay) in places {
        let before = document.get(copied..place.start);
        filled.extend_from_slice(before.ok_or_else(|| defect("two media in one place"))?);
        copied = place.end;
        head(written_len(&inlay), &mut filled);
        filled.extend_from_slice(prefix(&inlay).as_bytes());
        inlay.blob.write_base64(&mut filled);
        filled.extend_from_slice(tail);
    }
    filled.extend_from_slice(&document[copied..]);
    Ok(filled)
}

/// What comes before the base64.
fn prefix(inlay: &Inlay) -> String {
    match inlay.form {
        InlayForm::Base64 => String::new(),
        InlayForm::DataUrl => format!("data:{};base64,", inlay.blob.content_type()),
    }
}

fn written_len(inlay: &Inlay) -> u64 {
    prefix(inlay).len() as u64 + inlay.blob.base64_len()
}

/// The reference tokens of a JSON pointer (RFC 6901); the whole document for none.
pub(crate) fn tokens(pointer: &str) -> Vec<Cow<'_, str>> {
    let plain = |token: &'_ str| token.replace("~1", "/").replace("~0", "~");
    pointer
        .split('/')
        .skip(1)
        .map(|token| match token.contains('~') {
            true => Cow::Owned(plain(token)),
            false => Cow::Borrowed(token),
        })
        .collect()
}

/// Where in the document `json` the pointer leads.
fn place_in_json(json: &str, pointer: &str) -> Option<Range<usize>> {
    let mut value: &RawValue = serde_json::from_str(json).ok()?;
    for token in tokens(pointer) {
        value = match value.get().as_bytes().first()? {
            b'{' => {
                let members: BTreeMap<Cow<'_, str>, &RawValue> =
                    serde_json::from_str(value.get()).ok()?;
                members.get(&token).copied()?
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                elements.get(token.parse::<usize>().ok()?).copied()?
            }
            _ => return None,
        };
    }
    // The value is borrowed from the document.
    let start = value.get().as_ptr().addr() - json.as_ptr().addr();
    Some(start..start + value.get().len())
}

fn no_place(inlay: &Inlay) -> Failure {
    defect(&format!("a medium at `{}`, where there is nothing", inlay.at))
}

fn defect(what: &str) -> Failure {
    Failure::internal(format!("the plugin asks for {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamo_host_plugin::Blob;
    use serde_json::{Value, json};

    use super::*;

    fn inlay(at: &str, form: InlayForm) -> Inlay {
        Inlay { at: at.into(), blob: Blob::new("image/png", &b"PNG"[..]), form }
    }

    fn base64(at: &str) -> Inlay {
        inlay(at, InlayForm::Base64)
    }

    #[test]
    fn blobs_stand_where_the_pointers_lead() {
        let document = json!({
            "a/b": null, "seed": u64::MAX, "data": [{"b64": 1}, {"b64": {"x": [1]}}], "z": "z",
        });
        let filled = json!({
            "a/b": "data:image/png;base64,UE5H", "seed": u64::MAX,
            "data": [{"b64": 1}, {"b64": "UE5H"}], "z": "z",
        });
        let inlays = || vec![base64("/data/1/b64"), inlay("/a~1b", InlayForm::DataUrl)];
        let body = into_json(document.to_string().as_bytes(), inlays()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), filled);
        let chunk = rmp_serde::to_vec(&document).unwrap();
        let chunk = into_msgpack(&chunk, inlays()).unwrap();
        assert_eq!(rmp_serde::from_slice::<Value>(&chunk).unwrap(), filled);
    }

    #[test]
    fn the_document_itself_may_be_a_blob() {
        assert_eq!(into_json(b" null ", vec![base64("")]).unwrap(), b" \"UE5H\" ");
        assert_eq!(into_msgpack(&[0xc0], vec![base64("")]).unwrap(), b"\xa4UE5H");
    }

    #[test]
    fn a_place_that_is_not_there_is_the_plugins_defect() {
        let document = json!({"a": [1], "b": "x"});
        let chunk = rmp_serde::to_vec(&document).unwrap();
        for at in ["/c", "/a/1", "/a/x", "/b/0", "a"] {
            let json = into_json(document.to_string().as_bytes(), vec![base64(at)]);
            let chunk = into_msgpack(&chunk, vec![base64(at)]);
            // A pointer that does not begin with a slash is read as the whole document's.
            assert_eq!((json.is_err(), chunk.is_err()), (at != "a", at != "a"), "{at}");
        }
        let twice = || vec![base64("/a"), base64("/a/0")];
        assert!(into_json(document.to_string().as_bytes(), twice()).is_err());
        assert!(into_msgpack(&chunk, twice()).is_err());
    }
}
