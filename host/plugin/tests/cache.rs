//! Plugins that were compiled before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use common::{all_grants, component};
use dynamo_host_plugin::{Cache, Limits, Plugin, Runtime};

fn runtime(cache: &Path) -> Runtime {
    let limits = Limits { instances: 4, ..Limits::default() };
    Runtime::new(limits).unwrap().with_cache(Cache::open(cache).unwrap())
}

#[tokio::test]
async fn a_plugin_is_compiled_once_and_is_the_same_after_that() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let component = component("wants_engine").await;
    let load = async || Plugin::load(&runtime(&cache), &component, &all_grants()).await.unwrap();
    let compiled = load().await;
    let kept = files(&cache);
    assert_eq!(kept.len(), 1);
    let found = load().await;
    assert_eq!(files(&cache), kept, "nothing was compiled again");
    assert_eq!(found.manifest().name, compiled.manifest().name);
}

/// Each with what changes when it is written anew.
fn files(folder: &Path) -> Vec<(OsString, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().ino())).collect()
}
