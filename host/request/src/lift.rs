//! Taking media out of an engine's JSON answer while it arrives.
//!
//! Engines answer with images in base64 inside JSON. The text of the named members is decoded as it
//! comes and kept as blobs; what the plugin sees is the rest, with a number in each one's place. So
//! neither the plugin nor the host ever holds the text.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use dynamo_host_blob::{Blob, Gather};
use dynamo_host_failure::{Failure, Kind};

/// Some engines leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest answer without its media, in bytes.
const MAX_REST: usize = 16 << 20;

/// Where in the document the next byte stands.
enum At {
    /// Between values.
    Between,
    /// In a text; whether the last byte was a backslash.
    Text { escaped: bool },
    /// In the text of a medium.
    Medium(Gather),
}

/// Reads one answer.
pub(crate) struct Lift {
    member: String,
    at: At,
    /// The text that ended last, as it is written, until it is known whether it names a member.
    last_text: Vec<u8>,
    /// The member whose value comes next is one of those.
    named: bool,
    /// Characters that wait for a fourth.
    waiting: Vec<u8>,
    /// The last of them was a backslash.
    escaped: bool,
    /// Four with padding have come: no more may.
    padded: bool,
    rest: Vec<u8>,
    media: Vec<Blob>,
    bytes_left: u64,
}

impl Lift {
    /// Takes out the members called `member`, `max_bytes` in all.
    pub(crate) fn new(member: String, max_bytes: u64) -> Self {
        Lift {
            member,
            at: At::Between,
            last_text: Vec::new(),
            named: false,
            waiting: Vec::with_capacity(4),
            escaped: false,
            padded: false,
            rest: Vec::new(),
            media: Vec::new(),
            bytes_left: max_bytes,
        }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// A text that is not base64, or more bytes than may be held.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Between => self.between(bytes),
                At::Text { escaped } => self.text(bytes, escaped),
                At::Medium(_) => self.medium(bytes)?,
            };
            if self.rest.len() > MAX_REST {
                let message =
                    format!("the engine's answer has over {MAX_REST} bytes without media");
                return Err(Failure::new(Kind::BackendProtocol, message));
            }
        }
        Ok(())
    }

    /// The media in their order, and the answer without them.
    pub(crate) fn finish(self) -> (Vec<Blob>, Bytes) {
        (self.media, self.rest.into())
    }

    /// Up to the beginning of a text.
    fn between<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (before, after) = split(bytes, memchr::memchr(b'"', bytes));
        for byte in before.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            self.named = *byte == b':' && self.last_text == self.member.as_bytes();
            self.last_text.clear();
        }
        self.rest.extend_from_slice(before);
        let Some(after) = after.get(1..) else { return after };
        self.last_text.clear();
        if std::mem::take(&mut self.named) {
            self.rest.extend_from_slice(self.media.len().to_string().as_bytes());
            self.at = At::Medium(Gather::up_to(self.bytes_left));
        } else {
            self.rest.push(b'"');
            self.at = At::Text { escaped: false };
        }
        after
    }

    /// Up to the end of a text. The names looked for have no escapes, so texts are compared as
    /// written.
    fn text<'a>(&mut self, bytes: &'a [u8], escaped: bool) -> &'a [u8] {
        let (before, after) = match escaped {
            // Whatever it is, it does not end the text.
            true => bytes.split_at(1),
            false => split(bytes, memchr::memchr2(b'"', b'\\', bytes)),
        };
        self.rest.extend_from_slice(before);
        // A longer one is not the name.
        if self.last_text.len() <= self.member.len() {
            self.last_text.extend_from_slice(before);
        }
        let Some((mark, after)) = (if escaped { None } else { after.split_first() }) else {
            self.at = At::Text { escaped: false };
            return after;
        };
        self.rest.push(*mark);
        self.at = match mark {
            b'"' => At::Between,
            _ => {
                self.last_text.push(*mark);
                At::Text { escaped: true }
            }
        };
        after
    }

    /// Up to the end of a medium's text.
    fn medium<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        // JSON may write a slash with a backslash before it. What else begins with one would be read
        // as other characters than it stands for.
        if std::mem::take(&mut self.escaped) && bytes.first() != Some(&b'/') {
            return Err(self.not_base64("it has escapes"));
        }
        let (before, after) = split(bytes, memchr::memchr2(b'"', b'\\', bytes));
        let missing = (4 - self.waiting.len()) % 4;
        let (first, before) = before.split_at(missing.min(before.len()));
        self.waiting.extend_from_slice(first);
        if self.waiting.len() == 4 {
            let four = std::mem::take(&mut self.waiting);
            self.decode(&four)?;
        }
        let (whole, tail) = before.split_at(before.len() - before.len() % 4);
        self.decode(whole)?;
        self.waiting.extend_from_slice(tail);
        let Some((mark, after)) = after.split_first() else { return Ok(after) };
        self.escaped = *mark == b'\\';
        if *mark == b'"' {
            let last = std::mem::take(&mut self.waiting);
            self.decode(&last)?;
            self.padded = false;
            if let At::Medium(medium) = std::mem::replace(&mut self.at, At::Between) {
                self.bytes_left -= medium.size();
                self.media.push(medium.finish(None));
            }
        }
        Ok(after)
    }

    fn decode(&mut self, text: &[u8]) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        // Also where the padding came with other bytes than what follows it.
        if std::mem::replace(&mut self.padded, text.ends_with(b"=")) {
            return Err(self.not_base64("it goes on after its end"));
        }
        let decoded = BASE64.decode(text).map_err(|error| self.not_base64(error))?;
        let At::Medium(medium) = &mut self.at else { return Ok(()) };
        medium.push(decoded.into()).map_err(|error| {
            Failure::new(Kind::PayloadTooLarge, format!("the engine answered with {error}"))
        })
    }

    fn not_base64(&self, why: impl std::fmt::Display) -> Failure {
        let message = format!("the engine's `{}` is not base64: {why}", self.member);
        Failure::new(Kind::BackendProtocol, message)
    }
}

/// `bytes` up to `position`, and from there on.
fn split(bytes: &[u8], position: Option<usize>) -> (&[u8], &[u8]) {
    bytes.split_at(position.unwrap_or(bytes.len()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Reads `answer` in pieces of every length.
    fn lifted(answer: &str) -> (Vec<Blob>, String) {
        let read = |length: usize| {
            let mut lift = Lift::new("b64_json".into(), 100);
            answer.as_bytes().chunks(length).for_each(|piece| lift.push(piece).unwrap());
            let (media, rest) = lift.finish();
            (media, String::from_utf8(rest.to_vec()).unwrap())
        };
        let whole = read(answer.len());
        for length in 1..answer.len() {
            assert_eq!(read(length), whole, "in pieces of {length}");
        }
        whole
    }

    fn png(bytes: &'static [u8]) -> Blob {
        Blob::new("application/octet-stream", bytes)
    }

    #[test]
    fn media_leave_numbers_behind() {
        let (media, rest) = lifted(
            r#"{"id":"b64_json","data":[{"b64_json":"UE5HLTE=","url":null},{ "b64_json" : "UE5H" }]}"#,
        );
        assert_eq!(media, [png(b"PNG-1"), png(b"PNG")]);
        assert_eq!(
            rest,
            r#"{"id":"b64_json","data":[{"b64_json":0,"url":null},{ "b64_json" : 1 }]}"#
        );
    }

    #[test]
    fn only_texts_of_that_name_are_media() {
        for answer in [
            r#"{"b64_json":null,"c":"UE5H"}"#,
            r#"{"b64_json":{"x":"UE5H"}}"#,
            r#"{"b64_json2":"UE5H","\b64_json":"UE5H","\"b64_json":"UE5H","xb64_json":"UE5H"}"#,
            r#"["b64_json","UE5H",":","b64_json\\",":"]"#,
            r#"{"a":"\"b64_json\":\"UE5H\""}"#,
        ] {
            assert_eq!(lifted(answer), (vec![], answer.to_owned()));
        }
    }

    #[test]
    fn padding_may_be_missing_and_slashes_escaped() {
        let (media, _) = lifted(r#"{"b64_json":"\/\/8","x":{"b64_json":""}}"#);
        assert_eq!(media, [png(b"\xff\xff"), png(b"")]);
    }

    #[test]
    fn what_is_not_base64_is_refused_wherever_it_is_cut() {
        for text in ["UE4=UE5H", "UA==UE5H", r"UE5H\nUE5H", r"UE5\u0048", r"UE5H\\"] {
            let answer = format!(r#"{{"b":"{text}"}}"#);
            for length in 1..=answer.len() {
                let mut lift = Lift::new("b".into(), 100);
                let read = answer.as_bytes().chunks(length).try_for_each(|piece| lift.push(piece));
                assert_eq!(read.unwrap_err().kind, Kind::BackendProtocol, "{text} by {length}");
            }
        }
    }

    #[test]
    fn what_is_not_base64_or_too_much_is_refused() {
        let refused = |answer: &[u8], max_bytes| {
            Lift::new("b".into(), max_bytes).push(answer).unwrap_err().kind
        };
        assert_eq!(refused(br#"{"b":"!!!!"}"#, 100), Kind::BackendProtocol);
        assert_eq!(refused(br#"{"b":"UE5H","a":{"b":"UE5H"}}"#, 5), Kind::PayloadTooLarge);
    }
}
