//! Long data URLs of a request, whose data stay in the host.
//!
//! Clients send images inside their requests, megabytes of base64. A plugin has no use for the
//! text, and a few such would fill its memory. So it sees the URL with a mark for data; where the
//! mark comes out again, in a call, in a request to another worker or in a fetch, the host puts the
//! data back. A client cannot write a mark itself: it holds an id drawn for the request.

use std::sync::Arc;

use bytes::Bytes;

/// Shorter data stay in the request, in bytes.
const LONG: usize = 16 << 10;

/// Longest head of a data URL that is looked at, in bytes.
const LONGEST_HEAD: usize = 256;

/// The data of one request's long data URLs. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Held {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    mark: String,
    data: Vec<Bytes>,
}

impl Held {
    /// Takes the data of long data URLs out of `body`, a JSON document. `id` is one that no client
    /// can guess.
    pub fn take_out(body: Vec<u8>, id: &str) -> (Vec<u8>, Held) {
        let mut places = Vec::new();
        let mut at = 0;
        while let Some(found) = memchr::memmem::find(&body[at..], b"\"data:") {
            let start = at + found + 1;
            let length = memchr::memchr(b'"', &body[start..]).unwrap_or(body.len() - start);
            at = start + length;
            // A quotation mark that belongs to a text has a backslash before it.
            if body[..start - 1].last() != Some(&b'\\') {
                places.extend(data_of(&body[start..at]).map(|data| start + data..at));
            }
        }
        if places.is_empty() {
            return (body, Held::default());
        }
        let body = Bytes::from(body);
        let mark = format!("held-{id}-");
        let mut short = Vec::new();
        let mut copied = 0;
        let mut data = Vec::with_capacity(places.len());
        for place in places {
            short.extend_from_slice(&body[copied..place.start]);
            short.extend_from_slice(format!("{mark}{}", data.len()).as_bytes());
            copied = place.end;
            data.push(body.slice(place));
        }
        short.extend_from_slice(&body[copied..]);
        (short, Held { inner: Arc::new(Inner { mark, data }) })
    }

    /// Puts the data back where marks stand in `text`.
    pub fn put_back(&self, text: Vec<u8>) -> Vec<u8> {
        let Inner { mark, data } = &*self.inner;
        if data.is_empty() {
            return text;
        }
        let mut whole = Vec::with_capacity(text.len());
        let mut rest = &text[..];
        while let Some(found) = memchr::memmem::find(rest, mark.as_bytes()) {
            let after = &rest[found + mark.len()..];
            let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = str::from_utf8(&after[..digits]).ok().and_then(|text| text.parse().ok());
            whole.extend_from_slice(&rest[..found]);
            match number.and_then(|number: usize| data.get(number)) {
                Some(data) => whole.extend_from_slice(data),
                // The plugin made a mark up: it stands for nothing.
                None => whole.extend_from_slice(&rest[found..found + mark.len() + digits]),
            }
            rest = &after[digits..];
        }
        whole.extend_from_slice(rest);
        whole
    }
}

/// Where the data begin in a long data URL; none for any other text.
fn data_of(text: &[u8]) -> Option<usize> {
    let head = &text[..text.len().min(LONGEST_HEAD)];
    let start = memchr::memchr(b',', head)? + 1;
    // An escape would mean something else where it comes out again.
    let is_plain = || memchr::memchr(b'\\', text).is_none();
    (text.len() - start >= LONG && is_plain()).then_some(start)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn url(letter: &str, length: usize) -> String {
        format!("data:image/png;base64,{}", letter.repeat(length))
    }

    fn taken(body: &str) -> (String, Held) {
        let (short, held) = Held::take_out(body.into(), "1f");
        (String::from_utf8(short).unwrap(), held)
    }

    #[test]
    fn long_data_leave_a_mark_and_come_back() {
        let body = format!(r#"{{"a":"{}","b":["{}"],"c":1}}"#, url("A", LONG), url("B", LONG + 1));
        let (short, held) = taken(&body);
        assert_eq!(
            short,
            r#"{"a":"data:image/png;base64,held-1f-0","b":["data:image/png;base64,held-1f-1"],"c":1}"#
        );
        assert_eq!(held.put_back(short.into()), body.as_bytes());
        let twice = held.put_back(b"held-1f-1held-1f-1;held-1f-7".to_vec());
        let data = "B".repeat(LONG + 1);
        assert_eq!(twice, format!("{data}{data};held-1f-7").into_bytes());
    }

    #[test]
    fn everything_else_stays() {
        for body in [
            format!(r#"{{"a":"{}"}}"#, url("A", 100)),
            format!(r#"{{"a":"see {}"}}"#, url("A", LONG)),
            format!(r#"{{"a":"\"{}\""}}"#, url("A", LONG)),
            format!(r#"{{"a":"data:{}"}}"#, "A".repeat(LONG)),
            format!(r#"{{"a":"{}\/"}}"#, url("A", LONG)),
            r#"{"a":"data:"#.to_owned(),
        ] {
            let (short, held) = taken(&body);
            assert_eq!(short, body);
            assert_eq!(held.put_back(b"held-1f-0".to_vec()), b"held-1f-0");
        }
    }
}
