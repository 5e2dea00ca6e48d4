#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dynamo_host_failure::Kind;
use serde_json::json;

use super::*;

fn case(members: Value) -> Case {
    let mut case = json!({"format": 1, "name": "c", "request": {}});
    for (name, member) in members.as_object().unwrap() {
        case[name] = member.clone();
    }
    Case::parse(&case.to_string()).unwrap()
}

fn seen(path: &str, body: Value) -> Seen {
    Seen {
        headers: vec![("traceparent".into(), "00".into())],
        framing: Some(Framing::Sse),
        ..Seen::asked("POST", path, body)
    }
}

fn found(members: Value, observed: &Observed) -> Vec<String> {
    differences(&case(members), observed).iter().map(ToString::to_string).collect()
}

#[test]
fn a_request_that_comes_out_as_expected_has_no_difference() {
    let observed = Observed {
        calls: vec![seen("/generate", json!({"a": 1})), seen("/abort_request", json!({}))],
        chunks: vec![json!({"token_ids": [1]})],
        failure: Some(Failure::public(Kind::NotFound, "no such adapter: x")),
        ..Observed::default()
    };
    let expected = json!({
        "exchanges": [{
            "call": {"method": "POST", "path": "/generate", "body": {"a": 1},
                     "headers": {"TraceParent": "00"}, "without_headers": ["X-Other"]},
            "reply": {"framing": "sse", "events": []},
        }],
        "aborts": [{"path": "/abort_request"}],
        "chunks": [{"token_ids": [1], "text": null}],
        "error": {"class": "NotFound", "public": true, "message_contains": "adapter"},
    });
    assert_eq!(found(expected, &observed), [""; 0]);
}

#[test]
fn calls_are_compared_in_order_and_counted() {
    let reply = json!({"framing": "sse", "events": []});
    let one = json!([{"call": {"path": "/generate"}, "reply": reply}]);
    let none = Observed::default();
    assert_eq!(
        found(json!({"exchanges": one}), &none),
        ["exchange 1: expected any method /generate, got no call"]
    );
    let two = Observed {
        calls: vec![seen("/encode", json!({})), seen("/abort_request", json!({"rid": "r"}))],
        ..Observed::default()
    };
    assert_eq!(
        found(json!({"exchanges": one}), &two),
        [
            "exchange 1 path: expected /generate, got /encode",
            "engine: expected no further call, got POST /abort_request {\"rid\":\"r\"}",
        ]
    );
    assert_eq!(
        found(json!({"exchanges": one, "aborts": [{"body": {"rid": "s"}}]}), &two),
        [
            "exchange 1 path: expected /generate, got /encode",
            "abort 1 body /rid: expected \"s\", got \"r\"",
        ]
    );
}

#[test]
fn headers_and_framing_are_compared() {
    let observed = Observed { calls: vec![seen("/generate", json!({}))], ..Observed::default() };
    let call = |call: Value, reply: Value| {
        found(json!({"exchanges": [{"call": call, "reply": reply}]}), &observed)
    };
    let sse = json!({"framing": "sse", "events": []});
    assert_eq!(
        call(
            json!({"method": "GET", "headers": {"traceparent": "01", "x": {"$any": "string"}},
                   "without_headers": ["Traceparent"]}),
            sse,
        ),
        [
            "exchange 1 method: expected GET, got POST",
            "exchange 1 header traceparent: expected \"01\", got \"00\"",
            "exchange 1 header x: expected {\"$any\":\"string\"}, got nothing",
            "exchange 1 header Traceparent: expected nothing, got 00",
        ]
    );
    assert_eq!(
        call(json!({}), json!({"body": {}})),
        ["exchange 1 framing: expected Whole, got Sse"]
    );
    assert_eq!(
        call(json!({}), json!({"framing": "ndjson", "events": []})),
        ["exchange 1 framing: expected Ndjson, got Sse"]
    );
    assert_eq!(call(json!({}), json!({"body": {}, "status": 400})), [""; 0]);
}

#[test]
fn a_failure_is_compared_by_class_visibility_and_message() {
    let failed = |failure| Observed { failure: Some(failure), ..Observed::default() };
    let inside = failed(Failure::internal("boom"));
    assert_eq!(found(json!({}), &inside), ["error: expected none, got Internal: boom"]);
    assert_eq!(
        found(json!({"error": {"class": "NotFound"}}), &Observed::default()),
        ["error: expected NotFound, got none"]
    );
    assert_eq!(
        found(
            json!({"error": {"class": "NotFound", "public": true, "message_contains": "x"}}),
            &inside
        ),
        [
            "error: expected NotFound, got Internal: boom",
            "error public: expected a public message, got a message kept inside: Internal: boom",
            "error message: expected `x` in it, got boom",
        ]
    );
    assert_eq!(found(json!({"error": {"class": "Internal"}}), &inside), [""; 0]);
}

#[test]
fn chunks_are_looked_at_only_if_the_case_has_them() {
    let observed = Observed { chunks: vec![json!({"index": 0})], ..Observed::default() };
    assert_eq!(found(json!({}), &observed), [""; 0]);
    assert_eq!(
        found(json!({"chunks": []}), &observed),
        ["chunks /0: expected nothing, got {\"index\":0}"]
    );
    let rest = json!({"chunks": {"$any": "array"}});
    assert_eq!(found(rest, &observed), [""; 0]);
}

#[test]
fn what_the_plugin_says_of_itself_is_compared() {
    let observed = Observed {
        setup: Some(json!({"program": ["a"]})),
        registration: Some(json!({"needs": []})),
        health_check: Some(json!({"token_ids": [1]})),
        defects: vec![Difference::new("chunk 1", "MessagePack", "noise")],
        ..Observed::default()
    };
    let expected = json!({
        "setup": {"program": ["b"]},
        "registration": {"$subset": {"needs": [["prefill"]]}},
        "health_check": {"token_ids": [2]},
    });
    assert_eq!(
        found(expected, &observed),
        [
            "chunk 1: expected MessagePack, got noise",
            "setup /program/0: expected \"b\", got \"a\"",
            "registration /needs/0: expected [\"prefill\"], got nothing",
            "health_check /token_ids/0: expected 2, got 1",
        ]
    );
}
