//! A panic is one line of JSON where the log is JSON.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::process::Command;

use serde_json::Value;

/// Run by the test below, in a process of its own: it changes what the whole process does.
#[test]
#[ignore = "part of the other test"]
fn panics() {
    dynamo_host_plane::logging::init();
    let thread = std::thread::Builder::new().name("worker-1".into());
    let ended = thread.spawn(|| panic!("first line\nsecond line")).unwrap().join();
    assert!(ended.is_err());
}

#[test]
fn a_panic_is_one_line_of_json() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics", "--ignored", "--nocapture"])
        .env("DYN_LOGGING_JSONL", "true")
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [panic] = lines.iter().filter(|line| line["target"] == "panic").collect::<Vec<_>>()[..]
    else {
        panic!("{lines:?}")
    };
    assert_eq!(panic["level"], "ERROR");
    assert_eq!(panic["thread"], "worker-1");
    let message = panic["message"].as_str().unwrap();
    assert!(message.ends_with("first line\nsecond line"), "{message}");
    assert!(message.contains("panics.rs"), "{message}");
}
