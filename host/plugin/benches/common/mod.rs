//! What the benches share: components, and real events to give them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Builds the component of the workspace's package `name`. In a target directory of its own: the
/// one this bench was built in may be locked by whoever runs it.
pub fn component(name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", name, "--lib"])
        .args(["--profile", "plugin", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(workspace)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{name} does not build");
    target.join("wasm32-wasip2/plugin").join(name.replace('-', "_")).with_extension("wasm")
}

/// One event of SGLang's `/generate` stream (see the README), to be sent in batches.
pub struct Sample {
    /// How the tables call it.
    pub name: &'static str,
    json: &'static str,
}

/// The events that are measured.
pub const SAMPLES: [Sample; 3] = [
    Sample { name: "lean", json: include_str!("../data/lean.json") },
    Sample { name: "token", json: include_str!("../data/token.json") },
    Sample { name: "top_logprobs", json: include_str!("../data/top_logprobs.json") },
];

/// How many events cross in one call.
pub const BATCHES: [usize; 2] = [1, 16];

impl Sample {
    /// The event `batch` times, as the host would have cut it from the stream.
    pub fn batch(&self, batch: usize) -> Vec<Vec<u8>> {
        vec![self.json.trim_end().as_bytes().to_vec(); batch]
    }
}

/// What `calls` calls take of this thread's time on a processor, for each of the `parts` of a call.
/// Not of the wall's: who else is using the machine is no part of it.
pub async fn timed(calls: u64, parts: usize, mut call: impl AsyncFnMut()) -> Duration {
    let began = busy();
    for _ in 0..calls {
        call().await;
    }
    (busy() - began) / parts as u32
}

/// How long this thread has been running.
fn busy() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("no thread has run for less than 0 s")
}
