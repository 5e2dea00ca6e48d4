//! The stages of a token's way through the host, each alone and all together, for the benches beside:
//! `stages` gives their time, `instructions` their instructions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod decode;
pub mod replay;
pub mod sample;
pub mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where benches leave what they need again: beside what cargo built.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a bench is a file");
    program.ancestors().nth(3).expect("cargo puts it in target/PROFILE/deps").to_owned()
}

/// Builds the component of the workspace's package `name`. In a target directory of its own: the
/// one this bench was built in may be locked by whoever runs it.
pub fn component(name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = target().join("guests");
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
