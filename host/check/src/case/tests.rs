#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;

use super::*;

fn parse(case: Value) -> Result<Case, String> {
    Case::parse(&case.to_string())
}

/// `case` with the members of `with` put over it.
fn least(with: Value) -> Value {
    let mut case = json!({"format": 1, "name": "c", "request": {}});
    for (name, member) in with.as_object().unwrap() {
        case[name] = member.clone();
    }
    case
}

#[test]
fn what_is_left_out_has_a_default() {
    let case = parse(least(json!({}))).unwrap();
    assert_eq!((case.context.id.as_str(), case.context.cancel_after_chunks), ("request-1", None));
    assert_eq!(case.fresh.bootstrap_room, 4_242_424_242_424_242);
    assert!(case.exchanges.is_empty() && case.aborts.is_empty() && case.chunks.is_none());
}

#[test]
fn a_whole_case_is_read() {
    let case = parse(least(json!({
        "source": "somewhere.py:1", "notes": "n", "strict_null": ["max_new_tokens"],
        "settings": {"enable_trace": true}, "adapters": ["a"],
        "engine": {
            "model_path": "/m", "served_name": "m",
            "answers": {"/server_info": {}}, "files": {"config.json": {}},
        },
        "request": {"token_ids": {"$bytes_b64": "AQEAAA=="}, "room": 9_007_199_254_740_993_u64},
        "context": {
            "id": "i", "trace_headers": {"traceparent": "00"}, "probe": true,
            "cancel_after_chunks": 1, "shutting_down": true,
        },
        "exchanges": [
            {"call": {"method": "POST", "path": "/generate", "headers": {"a": "b"},
                      "without_headers": ["c"], "body": {"a": {"$any": "integer"}}},
             "reply": {"framing": "sse", "events": [{}, "[DONE]"], "end": "broken"}},
            {"reply": {"status": 400, "body": "no"}},
            {"reply": {"unreachable": true}},
        ],
        "aborts": [{"path": "/abort_request"}],
        "chunks": [{"$subset": {}}],
        "error": {"class": "Internal", "public": false, "message_contains": "x"},
    })))
    .unwrap();
    assert_eq!(case.request.unwrap()["room"], json!(9_007_199_254_740_993_u64));
    assert_eq!(case.exchanges[0].reply.end, End::Broken);
    assert_eq!((case.exchanges[0].reply.status, case.exchanges[1].reply.status), (200, 400));
}

#[test]
fn a_request_id_does_not_blow_a_case_up() {
    let with = |length| parse(least(json!({"fresh": {"request_id": "x".repeat(length)}})));
    assert!(with(128).is_ok());
    assert!(with(129).unwrap_err().contains("fresh.request_id"));
}

#[test]
fn the_request_id_is_filled_in_everywhere() {
    let case = parse(least(json!({
        "exchanges": [{
            "call": {"body": {"rid": "<rid>"}},
            "reply": {"framing": "sse", "events": [{"id": "<rid>_0"}]},
        }],
        "fresh": {"request_id": "abc"},
    })))
    .unwrap();
    assert_eq!(case.exchanges[0].call.body, Some(json!({"rid": "abc"})));
    assert_eq!(case.exchanges[0].reply.events.as_ref().unwrap()[0], json!({"id": "abc_0"}));
}

#[test]
fn what_a_case_looks_at_says_what_is_run() {
    for (members, prepares, configures) in [
        (json!({"setup": {}}), true, false),
        (json!({"start": {}, "error": {"class": "InvalidRequest"}}), true, false),
        (json!({"error": {"class": "InvalidRequest"}}), false, true),
        (json!({"registration": {}}), false, true),
        (json!({"health_check": {}, "setup": {}}), true, true),
    ] {
        let mut case = members.clone();
        case["format"] = json!(1);
        case["name"] = json!("c");
        let case = parse(case).unwrap();
        assert_eq!((case.prepares(), case.configures()), (prepares, configures), "{members}");
    }
    let start = parse(least(json!({"start": {}}))).unwrap().start.unwrap();
    assert_eq!((start.host.as_str(), start.port), ("127.0.0.1", 30_000));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let reply = |reply: Value| least(json!({"exchanges": [{"reply": reply}]}));
    for (case, part) in [
        (json!([]), "a case is a JSON object"),
        (json!({"name": "c", "request": {}}), "missing field `format`"),
        (least(json!({"format": 2})), "format: this is 2, and 1 can be read"),
        (least(json!({"name": "a b"})), "name: must not"),
        (least(json!({"requests": {}})), "unknown field `requests`"),
        (least(json!({"context": {"cancel_after_chunks": "1"}})), "context.cancel_after_chunks: "),
        (least(json!({"request": []})), "request: must be an object"),
        (least(json!({"request": {"a": {"$bytes_b64": "?"}}})), "request: `$bytes_b64`"),
        (least(json!({"error": {"class": "ValueError"}})), "error.class: must be one of Invalid"),
        (least(json!({"chunks": [{"$any": "x"}]})), "chunks[0]: `$any` takes"),
        (least(json!({"aborts": [{"body": {"$set": 1}}]})), "aborts[0].body: `$set`"),
        (least(json!({"exchanges": [{}]})), "missing field `reply`"),
        (reply(json!({})), "exchanges[0].reply: must have one of"),
        (reply(json!({"body": {}, "unreachable": true})), "exchanges[0].reply: must have one of"),
        (reply(json!({"events": []})), "`framing` of `sse` or `ndjson`"),
        (reply(json!({"body": {}, "framing": "sse"})), "`framing` of `sse` or `ndjson`"),
        (reply(json!({"body": {}, "status": 99})), "status: 99"),
        (reply(json!({"framing": "chunked", "events": []})), "exchanges[0].reply.framing: unknown"),
        (json!({"format": 1, "name": "c"}), "checks nothing"),
        (json!({"format": 1, "name": "c", "setup": {}, "chunks": []}), "need a `request`"),
        (least(json!({"fresh": {"seed": -1}})), "fresh: "),
    ] {
        let why = parse(case.clone()).unwrap_err();
        assert!(why.contains(part), "{case}: {why}");
    }
}

#[test]
fn a_file_that_is_no_json_is_named_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    fs::write(&path, "{\n  \"format\": 1,,\n}").unwrap();
    let error = Case::load(&path).unwrap_err().to_string();
    assert!(error.contains("broken.json: ") && error.contains("line 2 column"), "{error}");
    let error = Case::load(&folder.path().join("none.json")).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("none.json"), "{error}");
}
