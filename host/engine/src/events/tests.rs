#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;

use super::{Events, Framing, TooLarge};

const CAPTURE: &[u8] = include_bytes!("../../tests/data/sglang_generate_stream.sse");

/// Every kind of line SSE knows, each line end, and a multi-line event.
const MOTLEY: &[u8] = b"\xef\xbb\xbfdata: first\n\n\
    : a comment\r\nevent: named\r\nid: 7\r\ndata:no space\r\n\r\n\
    data: two\rdata:  lines\r\r\
    data\n\n\
    data: \xc3\xa9\xe2\x82\xac\nretry: 10\n\n\
    database: not data\n\n\n\n\
    data: never ended";

/// What the frames give: the events, and how it ended.
fn cut<'a>(
    framing: Framing,
    max: usize,
    frames: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Bytes>, Result<(), TooLarge>) {
    let mut events = Events::new(framing, max);
    let mut out = Vec::new();
    let end = drain(&mut events, frames, &mut out);
    (out, end)
}

fn drain<'a>(
    events: &mut Events,
    frames: impl IntoIterator<Item = &'a [u8]>,
    out: &mut Vec<Bytes>,
) -> Result<(), TooLarge> {
    for frame in frames {
        events.feed(Bytes::copy_from_slice(frame));
        while let Some(event) = events.take()? {
            out.push(event);
        }
    }
    out.extend(events.finish()?);
    Ok(())
}

fn whole_and_texts(framing: Framing, body: &[u8]) -> Vec<String> {
    let (events, end) = cut(framing, 1 << 20, [body]);
    end.unwrap();
    events.iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
}

/// A small generator of numbers, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn split_at_random(body: &'static [u8], dice: &mut Dice, longest: usize) -> Vec<&'static [u8]> {
    let mut frames = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(dice.roll(longest + 1).min(rest.len()));
        frames.push(frame);
        rest = after;
    }
    frames
}

#[test]
fn sse_follows_the_standard() {
    assert_eq!(
        whole_and_texts(Framing::Sse, MOTLEY),
        ["first", "no space", "two\n lines", "", "\u{e9}\u{20ac}"]
    );
}

#[test]
fn a_byte_order_mark_counts_at_the_start_only() {
    assert_eq!(
        whole_and_texts(Framing::Sse, b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"),
        ["a"]
    );
}

#[test]
fn a_capture_of_sglang_gives_its_chunks() {
    let texts = whole_and_texts(Framing::Sse, CAPTURE);
    assert_eq!(texts.len(), 21);
    assert!(
        texts.iter().take(20).all(|text| text.starts_with("{\"text\":") && text.ends_with('}'))
    );
    assert_eq!(texts.last().unwrap(), "[DONE]");
}

#[test]
fn ndjson_takes_lines_and_drops_empty_ones() {
    assert_eq!(
        whole_and_texts(Framing::Ndjson, b"{\"a\":1}\r\n\n\r\n{\"b\":\r2}\n{\"c\":3}"),
        ["{\"a\":1}", "{\"b\":\r2}", "{\"c\":3}"]
    );
    assert_eq!(whole_and_texts(Framing::Ndjson, b"\n"), [""; 0]);
}

#[test]
fn a_whole_body_is_one_event_even_when_empty() {
    assert_eq!(whole_and_texts(Framing::Whole, b"a\n\nb"), ["a\n\nb"]);
    assert_eq!(cut(Framing::Whole, 8, []), (vec![Bytes::new()], Ok(())));
}

#[test]
fn every_cut_in_two_gives_the_same_events() {
    for framing in [Framing::Sse, Framing::Ndjson, Framing::Whole] {
        let expected = cut(framing, 1 << 20, [MOTLEY]);
        for at in 0..=MOTLEY.len() {
            let (head, tail) = MOTLEY.split_at(at);
            assert_eq!(cut(framing, 1 << 20, [head, tail]), expected, "{framing:?} cut at {at}");
        }
    }
}

#[test]
fn any_cut_gives_the_same_events_and_the_same_error() {
    let mut dice = Dice(1);
    for body in [MOTLEY, CAPTURE] {
        for framing in [Framing::Sse, Framing::Ndjson, Framing::Whole] {
            for max in [0, 1, 5, 8, 500, 1 << 20] {
                let expected = cut(framing, max, [body]);
                assert_eq!(cut(framing, max, body.chunks(1)), expected, "{framing:?}, max {max}");
                for _ in 0..20 {
                    let longest = 1 + dice.roll(700);
                    let frames = split_at_random(body, &mut dice, longest);
                    assert_eq!(
                        cut(framing, max, frames.clone()),
                        expected,
                        "max {max}: {frames:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_event_within_one_frame_is_a_slice_of_it() {
    let frame = Bytes::from_static(b"data: {\"a\":1}\r\n\r\ndata: {\"b\":2}\n\n");
    let mut events = Events::new(Framing::Sse, 64);
    events.feed(frame.clone());
    let inside = |event: &Bytes| frame.as_ptr_range().contains(&event.as_ptr());
    assert!(inside(&events.take().unwrap().unwrap()));
    assert!(inside(&events.take().unwrap().unwrap()));

    // Also when the blank line that ends it comes in the next frame.
    let head = Bytes::from_static(b"data: {\"a\":1}\n");
    events.feed(head.clone());
    assert_eq!(events.take(), Ok(None));
    events.feed(Bytes::from_static(b"\n"));
    assert!(head.as_ptr_range().contains(&events.take().unwrap().unwrap().as_ptr()));
}

#[test]
fn an_event_of_the_limit_passes_and_one_more_byte_does_not() {
    for (framing, fits, over) in [
        (Framing::Sse, &b"\xef\xbb\xbfdata: 12345678\n\n"[..], &b"data: 123456789\n\n"[..]),
        (Framing::Sse, b"data: 1234\ndata: 567\n\n", b"data: 1234\ndata: 5678\n\n"),
        (Framing::Ndjson, b"12345678\r\n", b"123456789\n"),
        (Framing::Whole, b"12345678", b"123456789"),
    ] {
        let (events, end) = cut(framing, 8, [fits]);
        assert_eq!((events.len(), end), (1, Ok(())), "{framing:?}");
        assert_eq!(cut(framing, 8, [over]), (vec![], Err(TooLarge { max: 8 })), "{framing:?}");
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let mut events = Events::new(Framing::Sse, 100);
    let mut fed = 0;
    let failed = loop {
        events.feed(Bytes::from_static(b": a comment that does not end "));
        fed += 30;
        match events.take() {
            Ok(event) => assert_eq!(event, None),
            Err(failed) => break failed,
        }
        assert!(fed < 200);
    };
    assert_eq!(events.take(), Err(failed));
    events.feed(Bytes::from_static(b"\n\ndata: late\n\n"));
    assert_eq!(events.take(), Err(failed));
    assert_eq!(events.finish(), Err(failed));
}
