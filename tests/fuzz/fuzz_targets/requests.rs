//! Requests into the plans of the plugins.
//!
//! The first byte is the plugin (`a` for the first of `workers::ways`), the rest a request in JSON.

#![no_main]

use dynamo_host_fuzz::workers::{Way, ways};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

thread_local! {
    static WAYS: Vec<Way> = ways();
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [plugin, request @ ..] = data else { return Corpus::Reject };
    // The host lets nothing else through to a plugin.
    let Ok(request @ Value::Object(_)) = serde_json::from_slice(request) else {
        return Corpus::Reject;
    };
    WAYS.with(|ways| {
        let way = &ways[usize::from(plugin.wrapping_sub(b'a')) % ways.len()];
        assert_eq!(way.ask(request.clone()), way.ask(request), "the same is done for the same");
    });
    Corpus::Keep
});
