//! Every way a component may be refused, and what the error says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::path::Path;

use common::{all_grants, guest};
use dynamo_host_plugin::{
    Artifact, Digest, Distrust, Grant, Grants, Limits, LoadError, Plugin, Runtime, Trust,
};

async fn refusal(path: &Path, grants: &Grants) -> LoadError {
    let runtime = Runtime::new(Limits { instances: 4, ..Limits::default() }).unwrap();
    match Artifact::read(path).await {
        Ok(component) => Plugin::load(&runtime, &component, grants).await.expect_err("refused"),
        Err(error) => error,
    }
}

async fn refusal_of(bytes: &[u8]) -> LoadError {
    let file = tempfile::Builder::new().suffix(".wasm").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let error = refusal(file.path(), &all_grants()).await;
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
    error
}

#[tokio::test]
async fn a_file_that_is_not_there() {
    let error = refusal(Path::new("/no/such/plugin.wasm"), &all_grants()).await;
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/plugin.wasm"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_webassembly() {
    for bytes in [&b"#!/bin/sh\n"[..], b"", b"\0asm"] {
        let error = refusal_of(bytes).await;
        assert!(matches!(error, LoadError::NotWebAssembly { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_somebody_else_has_compiled() {
    let engine = wasmtime::Engine::default();
    let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
    let error = refusal_of(&compiled).await;
    assert!(matches!(error, LoadError::NotWebAssembly { .. }), "{error}");
}

#[tokio::test]
async fn what_the_operator_does_not_trust_is_not_even_looked_at() {
    let trust = Trust::new(vec![Digest::of(b"another")], vec![]);
    let limits = Limits { instances: 4, ..Limits::default() };
    let runtime = Runtime::new(limits).unwrap().with_trust(trust);
    let rubbish = Artifact::new("rubbish.wasm", &b"rubbish"[..]);
    let error = Plugin::load(&runtime, &rubbish, &all_grants()).await.unwrap_err();
    assert!(matches!(error, LoadError::Distrusted(Distrust::OtherDigest { .. })), "{error}");
}

#[tokio::test]
async fn a_core_module() {
    let error = refusal_of(b"\0asm\x01\0\0\0").await;
    assert!(matches!(error, LoadError::CoreModule { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_component() {
    let error = refusal_of(b"\0asm\x0d\0\x01\0garbage").await;
    assert!(matches!(error, LoadError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_component_that_is_no_plugin() {
    let error = refusal_of(b"\0asm\x0d\0\x01\0").await;
    assert!(matches!(error, LoadError::NotAPlugin { .. }), "{error}");
}

#[tokio::test]
async fn a_plugin_of_another_version() {
    let error = refusal(&guest("other_version"), &all_grants()).await;
    assert!(matches!(&error, LoadError::OtherVersion { found, .. } if found == "0.2.0"), "{error}");
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_named_with_its_grant() {
    let path = guest("wants_engine");
    let error = refusal(&path, &Grants::only([Grant::Log])).await;
    assert!(
        matches!(&error, LoadError::NotGranted { interface, grant: Grant::Engine, .. }
            if interface == "dynamo:worker/engine@0.1.0"),
        "{error}"
    );
    assert!(error.to_string().contains("--plugin-grant engine"), "{error}");

    let runtime = Runtime::new(Limits { instances: 4, ..Limits::default() }).unwrap();
    let component = Artifact::read(&path).await.unwrap();
    let granted = Plugin::load(&runtime, &component, &Grants::only([Grant::Engine])).await.unwrap();
    assert_eq!(granted.manifest().name, "wants_engine");
}

#[tokio::test]
async fn a_clock_is_offered_to_nobody() {
    let error = refusal(&guest("wants_clock"), &all_grants()).await;
    assert!(
        matches!(&error, LoadError::NotOffered { interface, .. }
            if interface.starts_with("wasi:clocks/")),
        "{error}"
    );
}
