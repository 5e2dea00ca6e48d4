//! Case files, which plugins may carry: what is accepted can be compared without a panic, and is
//! accepted again.

#![no_main]

// For its allocator.
use dynamo_host_fuzz as _;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[allow(dead_code, unused_imports)]
#[path = "../../../host/check/src/case/mod.rs"]
mod case;
#[allow(dead_code)]
#[path = "../../../host/check/src/compare.rs"]
mod compare;
#[allow(dead_code)]
#[path = "../../../host/check/src/values.rs"]
mod values;

use case::Case;
use compare::Rules;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(case) = Case::parse(text) else { return };
    let document: Value = serde_json::from_str(text).expect("a case is JSON");
    let again = Case::of(document).expect("what is accepted stays accepted");
    assert_eq!(format!("{case:?}"), format!("{again:?}"));
    let Case { strict_null, request: Some(request), chunks, .. } = &case else { return };
    let packed = values::to_msgpack(request).expect("it was packed when the case was read");
    let came = values::from_msgpack(&packed).expect("it can be unpacked");
    let rules = Rules { strict_null };
    if let Some(chunks) = chunks {
        rules.compare("chunks", chunks, &came);
    }
    if compare::check_patterns("request", request).is_ok() && !text.contains('$') {
        assert_eq!(rules.compare("request", request, &came), [], "a request is what it is");
    }
});
