//! Requests into the plans of the plugins.
//!
//! The first byte is the plugin (`workers::with_way`), the rest a request in JSON.

#![no_main]

use dynamo_host_fuzz::workers::with_way;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

fuzz_target!(|data: &[u8]| -> Corpus {
    let [plugin, request @ ..] = data else { return Corpus::Reject };
    // The host lets nothing else through to a plugin.
    let Ok(request @ Value::Object(_)) = serde_json::from_slice(request) else {
        return Corpus::Reject;
    };
    with_way(*plugin, |way| {
        assert_eq!(way.ask(request.clone()), way.ask(request), "the same is done for the same");
    });
    Corpus::Keep
});
