//! Instructions of a token's way, by callgrind: the same on a busy machine as on an idle one. Fails if
//! a stage takes over 5 % more than `instructions.json` has. `make test-instructions` runs it, with
//! `BLESS=1` it writes that file. Counts are those of profile dev and the pinned toolchain.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use bytes::Bytes;
use dynamo_host_kv::Decoder;
use dynamo_host_plugin::{Cache, Limits, Runtime};
use dynamo_host_request::{SystemFresh, Worker};
use dynamo_host_stages::decode::Decode;
use dynamo_host_stages::replay::Replay;
use dynamo_host_stages::sample::{self, BLOCK_SIZE, LEAN, TOP_LOGPROBS};
use dynamo_host_stages::{stage, target};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
/// Percent.
const ALLOWED: u64 = 5;

/// What is done in a process of its own, by its name in the record.
const STAGES: [(&str, fn()); 9] = [
    (COLD, || answer(LEAN.frames(1, 1), 1)),
    ("answer of 64 tokens", || answer(LEAN.frames(64, 1), 64)),
    ("answer of 64 tokens in batches of 16", || answer(LEAN.frames(64, 16), 64)),
    ("answer of 64 events with 20 alternatives", || answer(TOP_LOGPROBS.frames(64, 1), 64)),
    ("scan 64 events", || {
        let frames = LEAN.frames(64, 1);
        collected(&mut || assert_eq!(stage::scan(&frames), 64));
    }),
    ("take apart a request of 2,048 tokens", || {
        let payload = sample::payload(2048);
        collected(&mut || drop(black_box(stage::take_apart(&payload))));
    }),
    ("splice 2,048 tokens into a call", || {
        let ids: Vec<u32> = (0..2048).collect();
        collected(&mut || drop(black_box(stage::splice_ids(br#"{"stream":true}"#, &ids))));
    }),
    ("frame a chunk", || {
        collected(&mut || drop(black_box(stage::frame(b"\x81\xa5index\x00"))));
    }),
    ("decode 128 blocks of KV events", || {
        let batch = sample::kv_batch(1, 128);
        let mut decoder = Decoder::new(BLOCK_SIZE);
        collected(&mut || assert_eq!(stage::decode_kv(&mut decoder, &batch), 1));
    }),
];
/// The first stage for which the plugin is compiled.
const COLD: &str = "answer of one token";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    match std::env::args().nth(1).filter(|argument| !argument.starts_with("--")) {
        Some(named) => {
            let found = STAGES.iter().find(|(name, _)| *name == named);
            let (_, measure) = found.unwrap_or_else(|| panic!("no stage is called `{named}`"));
            measure();
            ExitCode::SUCCESS
        }
        None => compare(),
    }
}

/// Counts every stage, each in a process of its own, and holds it against the record.
fn compare() -> ExitCode {
    // Valgrind's processor has features of its own, for which the plugin is compiled: with a tool that
    // takes its time over nothing.
    valgrind(&["--tool=none"], COLD);
    let counts: BTreeMap<&str, u64> =
        STAGES.iter().map(|(stage, _)| (*stage, count(stage))).collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(RECORD, serde_json::to_string_pretty(&counts).unwrap() + "\n").unwrap();
    }
    let record = std::fs::read(RECORD).unwrap_or_else(|error| panic!("{RECORD}: {error}"));
    let record: BTreeMap<String, u64> = serde_json::from_slice(&record).unwrap();
    let mut grown = 0;
    for (stage, count) in &counts {
        let recorded = record.get(*stage).copied().unwrap_or_default();
        let too_many = *count > recorded + recorded * ALLOWED / 100;
        grown += u32::from(too_many);
        let percent = (*count as f64 / recorded as f64 - 1.0) * 100.0;
        let verdict = if too_many { "  TOO MANY" } else { "" };
        println!("{stage:45} {count:>12} instructions {percent:>+6.1} %{verdict}");
    }
    if grown == 0 {
        return ExitCode::SUCCESS;
    }
    println!(
        "over {ALLOWED} % more than {RECORD}; if they are worth it: make test-instructions BLESS=1"
    );
    ExitCode::FAILURE
}

fn count(stage: &str) -> u64 {
    let profile = target().join("instructions.callgrind");
    let out = format!("--callgrind-out-file={}", profile.display());
    let said = valgrind(&["--tool=callgrind", "--toggle-collect=*collected*", &out], stage);
    let profile = std::fs::read_to_string(&profile).unwrap();
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok());
    let total = total.filter(|total| *total > 0);
    total.unwrap_or_else(|| panic!("{stage}: callgrind has counted nothing\n{said}"))
}

/// Runs a stage under valgrind; what that says.
fn valgrind(options: &[&str], stage: &str) -> String {
    let mut command = Command::new("valgrind");
    command.args(options).arg(std::env::current_exe().unwrap()).arg(stage);
    let ran = command.output().unwrap_or_else(|error| panic!("valgrind: {error}"));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{stage}: {said}");
    said
}

/// What happens in here is counted, in whatever it calls too.
#[inline(never)]
fn collected(stage: &mut dyn FnMut()) {
    black_box(stage)();
}

/// From the request's payload to the last frame of its answer.
fn answer(frames: Vec<Bytes>, chunks: usize) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cache = Cache::open(&target().join("instructions")).unwrap();
    // Callgrind lets a process have less address space than the system does.
    let limits = Limits { instances: 16, ..Limits::default() };
    let runtime = Runtime::new(limits).unwrap().with_cache(cache);
    let component = target().join("wasm32-wasip2/plugin/decode.wasm");
    let decode = tokio.block_on(Decode::load(&runtime, &component));
    let worker = Worker::new(decode.plugin, decode.state, Replay(frames), SystemFresh);
    let payload = sample::payload(128);
    let answered = || tokio.block_on(stage::answer(&worker, payload.clone()));
    // As in a host that has been serving.
    assert_eq!(answered(), chunks);
    collected(&mut || assert_eq!(answered(), chunks));
}
