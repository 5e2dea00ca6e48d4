//! What is read of a plugin's file, and of the files beside it, before any of it is compiled: the cases
//! it carries, its signature, keys and digests.
//!
//! An input that begins as WebAssembly does is a component; any other is a signature, a file of keys
//! and a digest.

#![no_main]

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dynamo_host_trust::{Digest, Distrust, PublicKey, SecretKey, Trust};
// For its allocator.
use dynamo_host_fuzz as _;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../../host/check/src/carried.rs"]
mod carried;
#[allow(dead_code, unused_imports)]
#[path = "../../../host/check/src/case/mod.rs"]
mod case;
#[allow(dead_code)]
#[path = "../../../host/check/src/compare.rs"]
mod compare;
#[path = "../../../host/check/src/files.rs"]
mod files;
#[allow(dead_code)]
#[path = "../../../host/check/src/values.rs"]
mod values;

/// What was signed, by the key of the tests of `dynamo-host-trust`.
const SIGNED: &[u8] = b"plugin";
const SIGNATURE: &[u8] = include_bytes!("../../../host/trust/tests/data/openssl.sig");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host/trust/tests/data/openssl.pub");
const CASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../cases/llama_cpp/unreachable.json");

fuzz_target!(|data: &[u8]| {
    if data.starts_with(b"\0asm") {
        component(data);
        return;
    }
    signature(data);
    keys(data);
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(digest) = text.parse::<Digest>()
    {
        assert_eq!(digest.to_string(), text.to_lowercase());
    }
});

fn component(bytes: &[u8]) {
    let Ok(cases) = carried::cases(bytes) else { return };
    // One that is cut off is read as far as it goes, but nothing can be put behind it.
    let Ok(more) = carried::carrying(bytes, &[PathBuf::from(CASE)]) else { return };
    let carried = carried::cases(&more).expect("it can still be read");
    let names =
        |cases: &[case::Case]| cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&carried)[..cases.len()], names(&cases));
    assert_eq!(names(&carried)[cases.len()..], ["llama_cpp/unreachable"]);
}

fn signature(bytes: &[u8]) {
    static TRUST: LazyLock<Trust> = LazyLock::new(|| {
        Trust::new(Vec::new(), PublicKey::read_all(Path::new(KEY)).expect("a key of the tests"))
    });
    match TRUST.verify("a.wasm", SIGNED, Some(bytes)) {
        // There is one signature of a key over some bytes, in text or not.
        Ok(_) => assert!(bytes.len() == 64 || plain(bytes) == plain(SIGNATURE)),
        Err(Distrust::MalformedSignature { .. } | Distrust::WrongSignature { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

fn plain(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

fn keys(text: &[u8]) {
    // Nothing else is a key, and a file takes its time.
    if memchr::memmem::find(text, b"-----").is_none() {
        return;
    }
    // Unlinked, so that nothing is left of it; its owner alone may read it, as a secret key must be.
    static FILE: LazyLock<File> =
        LazyLock::new(|| tempfile::tempfile().expect("a place for a file"));
    let mut file = &*FILE;
    file.set_len(0).and_then(|()| file.rewind()).expect("the file can be emptied");
    file.write_all(text).expect("the file can be written");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if let Ok(keys) = PublicKey::read_all(&path) {
        assert!(!keys.is_empty());
    }
    if let Ok(key) = SecretKey::read(&path) {
        let trust = Trust::new(Vec::new(), vec![key.public()]);
        let signature = key.sign(SIGNED);
        assert!(trust.verify("a.wasm", SIGNED, Some(signature.as_bytes())).is_ok());
    }
}
