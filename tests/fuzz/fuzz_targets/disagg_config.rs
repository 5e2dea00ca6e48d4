//! The file of `--disagg-config`: a section that is accepted reaches the engine as it is.

#![no_main]

use std::path::Path;

// For its allocator.
use dynamo_host_fuzz as _;
use libfuzzer_sys::fuzz_target;
use serde_yaml::Mapping;

#[allow(dead_code)]
#[path = "../../../host/src/cli/disagg_config.rs"]
mod disagg_config;
#[allow(dead_code)]
#[path = "../../../host/src/cli/engine_words.rs"]
mod engine_words;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for key in ["prefill", "decode"] {
        let is_ours = |flag: &str| flag == "namespace";
        match disagg_config::section_of(text, Path::new("config.yaml"), key, is_ours) {
            Ok(section) => {
                // A mapping for a name within a value is not written: the host says so and does not start.
                let Ok(written) = serde_yaml::to_string(&section) else { continue };
                let read: Mapping =
                    serde_yaml::from_str(&written).expect("what is written is YAML");
                assert_eq!(read, section, "{written}");
            }
            Err(error) => assert!(error.to_string().contains("config.yaml")),
        }
    }
});
