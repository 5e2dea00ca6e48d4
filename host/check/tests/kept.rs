//! Plugins that were built once, for a version of the contract, and run forever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};

use dynamo_host_check::{Options, run};

/// The folders of `tests/kept`: each a version of the contract.
fn kept() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kept");
    let folders = std::fs::read_dir(all).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|path| path.is_dir()).collect()
}

#[test]
fn every_version_that_was_ever_released_runs_as_it_was_built() {
    let folders = kept();
    assert!(folders.iter().any(|folder| folder.ends_with("0.1.0")), "{folders:?}");
    for folder in folders {
        let options = Options {
            plugin: folder.join("plugin.wasm"),
            cases: vec![folder.join("cases")],
            cache: None,
        };
        let mut report = Vec::new();
        let summary = run(options, &mut report).unwrap();
        assert!(summary.is_success(), "{}", String::from_utf8_lossy(&report));
    }
}
