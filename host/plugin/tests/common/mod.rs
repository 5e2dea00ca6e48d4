//! Components to load, and a request to give them.
#![allow(dead_code, reason = "compiled into each test, which uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use dynamo_host_plugin::{Artifact, Fresh, Grant, Grants, Limits, Plugin, Request, Runtime};

/// The component `name` of `tests/guests`, built on first use. In a target directory of its own:
/// the one this test was built in may be locked by whoever runs it.
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--package", "guests", "--examples"])
            .args(["--profile", "plugin", "--target", "wasm32-wasip2", "--target-dir"])
            .arg(&target)
            .current_dir(workspace)
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the guests do not build");
        target.join("wasm32-wasip2/plugin/examples")
    });
    folder.join(name).with_extension("wasm")
}

/// What stands in the file of [`guest`].
pub async fn component(name: &str) -> Artifact {
    Artifact::read(&guest(name)).await.expect("the guest can be read")
}

pub fn all_grants() -> Grants {
    Grants::only(Grant::ALL)
}

/// The misbehaving guest, under `limits`.
pub async fn misbehave(limits: Limits) -> Plugin {
    let runtime = Runtime::new(limits).expect("a runtime");
    let component = component("misbehave").await;
    Plugin::load(&runtime, &component, &all_grants()).await.expect("the guest loads")
}

/// A request that tells the guest what to do.
pub fn told_to(what: &str) -> Request {
    Request {
        id: "client-chosen".into(),
        body: format!(r#"{{"do":"{what}"}}"#).into_bytes(),
        token_count: None,
        trace_headers: Vec::new(),
        adapters: Vec::new(),
        probe: false,
        fresh: Fresh {
            request_id: "0123456789abcdef0123456789abcdef".into(),
            bootstrap_room: 1 << 60,
            seed: 7,
            unix_millis: 1_700_000_000_000,
        },
    }
}
