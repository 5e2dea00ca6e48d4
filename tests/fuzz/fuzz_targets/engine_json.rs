//! The engine's answers, and other workers' chunks, into the plugins' converters.
//!
//! The first byte is the plugin (`a` for the first of `workers::ways`), the second `e` for events or
//! anything else for an answer with another status than 2xx. The rest is an event a line; one after
//! `!` is a medium. Events of other workers are JSON here too, and become MessagePack.

#![no_main]

use dynamo_host_fuzz::workers::{Source, Way, with_way};
use dynamo_worker_sdk::{Chunks, Converter, Flow, Result, testing};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let [plugin, kind, body @ ..] = data else { return };
    with_way(*plugin, |way| {
        let came = response(way, *kind, body);
        for chunk in &came.0 {
            rmp_serde::from_slice::<IgnoredAny>(chunk).expect("a chunk is MessagePack");
        }
        assert_eq!(came, response(way, *kind, body), "the same comes of the same events");
    });
});

/// The chunks, and how the response ended.
fn response(way: &Way, kind: u8, body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut converter = way.converter();
    let mut chunks = Chunks::default();
    let ended = match kind {
        b'e' => convert(&mut *converter, way.source, body, &mut chunks),
        status => converter.rejected(300 + u16::from(status), body, &mut chunks),
    };
    let done = converter.engine_is_done();
    (chunks.into_encoded(), format!("{ended:?} {done}"))
}

fn convert(
    converter: &mut dyn Converter,
    source: Source,
    body: &[u8],
    chunks: &mut Chunks,
) -> Result<()> {
    for line in body.split(|byte| *byte == b'\n') {
        let flow = match (source, line) {
            (Source::EngineWithMedia, [b'!', bytes @ ..]) => {
                converter.medium(testing::blob("image/png", bytes), chunks)
            }
            (Source::Peer, line) => converter.event(&packed(line), chunks),
            (_, line) => converter.event(line, chunks),
        };
        if let Flow::Done = flow? {
            return Ok(());
        }
        converter.engine_is_done();
    }
    converter.finish(chunks)
}

fn packed(line: &[u8]) -> Vec<u8> {
    let chunk = serde_json::from_slice::<Value>(line).ok();
    chunk.and_then(|chunk| rmp_serde::to_vec_named(&chunk).ok()).unwrap_or_else(|| line.to_owned())
}
