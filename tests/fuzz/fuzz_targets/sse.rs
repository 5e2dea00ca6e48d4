//! The engine's event stream in its three framings: the events are those a reading of the whole body
//! gives, wherever it is cut.
//!
//! The first byte is the framing (`s`, `n`, or any other for whole), the second the longest event
//! (`~` for any), the third seeds the cuts.

#![no_main]

use bytes::Bytes;
use dynamo_host_engine::events::{Events, Framing, TooLarge};
use dynamo_host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [framing, max, seed, body @ ..] = data else { return };
    let framing = match framing {
        b's' => Framing::Sse,
        b'n' => Framing::Ndjson,
        _ => Framing::Whole,
    };
    let max = if *max == b'~' { usize::MAX } else { usize::from(*max) };
    let whole = events(framing, max, [body]);
    assert_eq!(whole, events(framing, max, pieces(body, *seed)), "cut by {seed}");
    assert_eq!(whole, events(framing, max, body.chunks(1)), "cut everywhere");
    match whole {
        (events, None) => assert_eq!(events, expected(framing, body)),
        (events, Some(_)) => assert!(expected(framing, body).starts_with(&events)),
    }
});

fn events<'a>(
    framing: Framing,
    max: usize,
    frames: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Bytes>, Option<TooLarge>) {
    let mut cut = Events::new(framing, max);
    let mut events = Vec::new();
    let mut failed = None;
    let mut keep = |taken: Result<Option<Bytes>, TooLarge>| match taken {
        Ok(event) => event.map(|event| events.push(event)).is_some(),
        Err(error) => {
            assert!(failed.is_none_or(|before| before == error), "an error repeats");
            failed = Some(error);
            false
        }
    };
    for frame in frames {
        cut.feed(Bytes::copy_from_slice(frame));
        while keep(cut.take()) {}
    }
    keep(cut.finish());
    assert!(events.iter().all(|event| event.len() <= max));
    (events, failed)
}

/// The events, read the simple way.
fn expected(framing: Framing, body: &[u8]) -> Vec<Bytes> {
    match framing {
        Framing::Whole => vec![Bytes::copy_from_slice(body)],
        Framing::Ndjson => body
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.is_empty())
            .map(Bytes::copy_from_slice)
            .collect(),
        Framing::Sse => server_sent(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)),
    }
}

fn server_sent(mut body: &[u8]) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    while let Some(end) = body.iter().position(|byte| b"\r\n".contains(byte)) {
        let (line, rest) = body.split_at(end);
        body = rest.strip_prefix(b"\r\n").unwrap_or(&rest[1..]);
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        if line.is_empty() {
            events.extend(data.take().map(Bytes::from));
        } else if name == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            }
        }
    }
    events
}
