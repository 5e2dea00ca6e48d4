//! What the tests replay.

#![allow(clippy::unwrap_used, dead_code)]

use std::path::Path;

use serde_json::Value;

/// The frames of each message in a capture.
pub fn capture(name: &str) -> Vec<Vec<Vec<u8>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let frames = line["frames_hex"].as_array().unwrap();
            frames.iter().map(|frame| bytes(frame.as_str().unwrap())).collect()
        })
        .collect()
}

/// The recorded vectors of one kind.
pub fn vectors(file: &str, prefix: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    let all: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let found: Vec<Value> = all
        .into_iter()
        .filter(|vector| vector["name"].as_str().unwrap().starts_with(prefix))
        .collect();
    assert!(!found.is_empty(), "{file} has nothing named {prefix}");
    found
}

/// The bytes of hexadecimal digits.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// The bytes of base64 with padding.
pub fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0_u32;
    let mut held = 0;
    let mut out = Vec::new();
    for letter in text.bytes().take_while(|letter| *letter != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|other| *other == letter).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    out
}
