#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;

use super::*;

fn same(expected: Value, got: Value) {
    let found = Rules::default().compare("", &expected, &got);
    assert!(found.is_empty(), "{found:?}");
}

fn differences(expected: Value, got: Value) -> Vec<String> {
    let found = Rules::default().compare("body", &expected, &got);
    assert!(!found.is_empty(), "{expected} passes for {got}");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn null_is_absent() {
    same(json!({"a": null, "b": 1}), json!({"b": 1, "c": null}));
    same(json!({"a": {"b": null}}), json!({"a": {}}));
    same(json!([{"a": null}]), json!([{}]));
    assert_eq!(differences(json!({"a": null}), json!({"a": 1})), ["body /a: expected null, got 1"]);
    // An element of an array is never absent, an object is not null.
    differences(json!([null]), json!([]));
    differences(json!({"a": {}}), json!({}));
}

#[test]
fn strict_null_sets_null_and_absent_apart() {
    let by_name = ["max_new_tokens".to_owned()];
    let rules = Rules { strict_null: &by_name };
    let with = json!({"sampling_params": {"max_new_tokens": null}});
    let without = json!({"sampling_params": {}});
    assert!(rules.compare("body", &with, &with).is_empty());
    assert!(rules.compare("body", &without, &without).is_empty());
    assert_eq!(
        rules.compare("body", &with, &without),
        [Difference::new("body /sampling_params/max_new_tokens", "null", "nothing")]
    );
    assert_eq!(
        rules.compare("body", &without, &with),
        [Difference::new("body /sampling_params/max_new_tokens", "nothing", "null")]
    );

    let by_pointer = ["/a/b".to_owned()];
    let rules = Rules { strict_null: &by_pointer };
    assert!(!rules.compare("", &json!({"a": {"b": null}}), &json!({"a": {}})).is_empty());
    assert!(rules.compare("", &json!({"c": {"b": null}}), &json!({"c": {}})).is_empty());
}

#[test]
fn members_and_elements_are_named() {
    assert_eq!(
        differences(
            json!({"a": [1, {"x/y": 2}], "gone": 3}),
            json!({"a": [1, {"x/y": 4}, 5], "new": 6}),
        ),
        [
            "body /a/1/x~1y: expected 2, got 4",
            "body /a/2: expected nothing, got 5",
            "body /gone: expected 3, got nothing",
            "body /new: expected nothing, got 6",
        ]
    );
    assert_eq!(differences(json!(1), json!("1")), ["body: expected 1, got \"1\""]);
}

#[test]
fn integers_keep_all_their_bits() {
    same(json!(u64::MAX), json!(u64::MAX));
    same(json!(i64::MIN), json!(i64::MIN));
    differences(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64));
    differences(json!(u64::MAX), json!(u64::MAX - 1));
}

#[test]
fn an_integer_is_no_float() {
    assert_eq!(differences(json!(16), json!(16.0)), ["body: expected 16, got 16.0"]);
    // The other way about nobody is harmed.
    same(json!(0.0), json!(0));
    differences(json!(0.5), json!(0));
}

#[test]
fn floats_may_have_been_short() {
    same(json!(0.7), json!(f64::from(0.7_f32)));
    same(json!(-1e-30), json!(f64::from(-1e-30_f32)));
    same(json!(0.0), json!(-0.0));
    differences(json!(0.7), json!(0.700_001));
}

#[test]
fn any_asks_for_a_sort() {
    for (sort, good, bad) in [
        ("integer", json!(-5), json!(5.0)),
        ("number", json!(5.5), json!("5")),
        ("string", json!(""), json!(null)),
        ("boolean", json!(false), json!(0)),
        ("array", json!([]), json!({})),
        ("object", json!({}), json!([])),
        (
            "hex32",
            json!("0123456789abcdef0123456789abcdef"),
            json!("0123456789ABCDEF0123456789abcdef"),
        ),
    ] {
        same(json!({"$any": sort}), good);
        differences(json!({"$any": sort}), bad);
    }
    same(json!({"a": {"$any": "value"}}), json!({"a": null}));
    differences(json!({"a": {"$any": "value"}}), json!({}));
}

#[test]
fn a_set_has_no_order_but_counts() {
    same(json!({"$set": [5, 2, 9]}), json!([9, 2, 5]));
    same(json!({"$set": [{"a": null}, {"$any": "string"}]}), json!(["x", {}]));
    assert_eq!(
        differences(json!({"$set": [1, 1]}), json!([1, 2])),
        [
            "body: expected 1 among the elements, got nothing like it",
            "body: expected no further element, got 2",
        ]
    );
    differences(json!({"$set": []}), json!({}));
}

#[test]
fn a_subset_ignores_other_members() {
    same(json!({"$subset": {"a": {"b": 1}}}), json!({"a": {"b": 1}, "c": 2}));
    differences(json!({"$subset": {"a": {"b": 1}}}), json!({"a": {"b": 1, "d": 3}}));
    differences(json!({"$subset": {"a": 1}}), json!({}));
    differences(json!({"$subset": {}}), json!([]));
}

#[test]
fn json_text_is_compared_parsed() {
    same(json!({"$json_text": {"b": 1, "a": [2]}}), json!("{\"a\": [2],\n\"b\": 1}"));
    assert_eq!(
        differences(json!({"s": {"$json_text": {"a": 1}}}), json!({"s": "{\"a\":2}"})),
        ["body /s/a: expected 1, got 2"]
    );
    differences(json!({"$json_text": {}}), json!("{"));
    differences(json!({"$json_text": {}}), json!({}));
}

#[test]
fn other_dollar_members_mean_themselves() {
    same(json!({"$ref": "#/$defs/a"}), json!({"$ref": "#/$defs/a"}));
    same(json!({"$set": [1], "x": 1}), json!({"$set": [1], "x": 1}));
    same(json!({"$bytes_b64": "AQ=="}), json!({"$bytes_b64": "AQ=="}));
}

#[test]
fn long_values_are_cut_on_a_character() {
    let long = json!("ä".repeat(500));
    let shown = show(&long);
    assert!(shown.ends_with('…') && shown.len() < 250, "{shown}");
}

#[test]
fn patterns_that_mean_nothing_are_named() {
    for (bad, part) in [
        (json!({"a": [{"$any": "uuid"}]}), "body.a[0]: `$any` takes one of value"),
        (json!({"$set": {}}), "body: `$set` takes an array"),
        (json!({"$subset": [1]}), "body: `$subset` takes an object"),
        (json!({"$bytes_b64": "?"}), "body: `$bytes_b64` is not base64"),
        (json!({"$set": [{"$any": 1}]}), "body.$set[0]: `$any`"),
    ] {
        let why = check_patterns("body", &bad).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    check_patterns("body", &json!({"a": {"$set": [1]}, "$any": 2})).unwrap();
}
