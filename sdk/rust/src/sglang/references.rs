//! Circular references in a JSON schema.
//!
//! A schema that refers to itself through nothing but `$ref` and `allOf` describes nothing, and
//! sends the engine's grammar compiler round for ever. A circle through `properties` or `items` is
//! an ordinary recursive type and stays allowed. Mirrors Dynamo's `guided_json.py`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Members whose schemas are about a part of the value, each under a name of its own.
const NAMED_PARTS: [&str; 4] =
    ["properties", "patternProperties", "dependentSchemas", "dependencies"];

/// Members that are, or list, schemas about a part of the value.
const PARTS: [&str; 9] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "additionalItems",
    "prefixItems",
    "contains",
    "unevaluatedItems",
    "contentSchema",
];

/// Whether `schema`, or the one a text holds as JSON, refers to itself through `$ref` and `allOf`
/// alone.
pub(super) fn are_circular(schema: &Value) -> bool {
    let schema = match schema {
        Value::String(text) => Cow::Owned(serde_json::from_str(text).unwrap_or_default()),
        schema => Cow::Borrowed(schema),
    };
    let schema: &Value = &schema;
    let nodes = objects_of(schema);
    let position: BTreeMap<*const Map<String, Value>, usize> =
        nodes.iter().enumerate().map(|(at, node)| (std::ptr::from_ref(*node), at)).collect();
    let follow = |node: &Map<String, Value>| -> Vec<usize> {
        let reference = node.get("$ref").and_then(Value::as_str).and_then(|to| resolve(schema, to));
        let parts = node.get("allOf").and_then(Value::as_array).into_iter().flatten();
        reference
            .into_iter()
            .chain(parts)
            .filter_map(Value::as_object)
            .filter_map(|to| position.get(&std::ptr::from_ref(to)).copied())
            .collect()
    };
    has_circle(&nodes.iter().map(|node| follow(node)).collect::<Vec<_>>())
}

/// Every schema that the one in `schema` is made of: what nothing leads to does no harm.
fn objects_of(schema: &Value) -> Vec<&Map<String, Value>> {
    let mut objects = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&Value> = vec![schema];
    while let Some(value) = waiting.pop() {
        let Some(node) = value.as_object() else { continue };
        if !seen.insert(std::ptr::from_ref(node)) {
            continue;
        }
        objects.push(node);
        let reference = node.get("$ref").and_then(Value::as_str);
        waiting.extend(reference.and_then(|to| resolve(schema, to)));
        waiting.extend(node.get("allOf").and_then(Value::as_array).into_iter().flatten());
        let named = NAMED_PARTS.iter().filter_map(|name| node.get(*name)?.as_object());
        waiting.extend(named.flat_map(Map::values));
        for part in PARTS.iter().filter_map(|name| node.get(*name)) {
            match part {
                Value::Array(parts) => waiting.extend(parts),
                part => waiting.push(part),
            }
        }
    }
    objects
}

/// What a reference within the document (`#`, `#/$defs/a`) points to.
fn resolve<'a>(schema: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
    schema.pointer(&pointer)
}

/// Whether a directed graph has a circle. Not recursive: the client chooses how deep it is, and the
/// stack of a component is small.
fn has_circle(edges: &[Vec<usize>]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        Open,
        Done,
    }
    let mut seen = vec![Seen::No; edges.len()];
    for start in 0..edges.len() {
        if seen[start] != Seen::No {
            continue;
        }
        seen[start] = Seen::Open;
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let Some(&to) = edges[*node].get(*next) else {
                seen[*node] = Seen::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match seen[to] {
                Seen::Open => return true,
                Seen::Done => {}
                Seen::No => {
                    seen[to] = Seen::Open;
                    path.push((to, 0));
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::are_circular;

    #[test]
    fn circles_through_references_alone() {
        assert!(are_circular(&json!({"$ref": "#"})));
        assert!(are_circular(&json!({"allOf": [{"$ref": "#"}]})));
        assert!(are_circular(&json!({
            "$ref": "#/$defs/a",
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}},
        })));
        assert!(are_circular(&json!({
            "properties": {"x": {"$ref": "#/$defs/a%20b"}},
            "$defs": {"a b": {"$ref": "#/$defs/a%20b"}},
        })));
        let defined = json!({"a/b": {"$ref": "#/$defs/a~1b"}});
        assert!(are_circular(&json!({"items": {"$ref": "#/$defs/a~1b"}, "$defs": defined})));
        assert!(are_circular(&json!(r##"{"$ref": "#"}"##)));
    }

    #[test]
    fn recursive_types_and_the_rest() {
        assert!(!are_circular(&json!({"properties": {"next": {"$ref": "#"}}})));
        assert!(!are_circular(&json!({"type": "array", "items": {"$ref": "#"}})));
        assert!(!are_circular(&json!({"anyOf": [{"$ref": "#"}, {"type": "null"}]})));
        assert!(!are_circular(&json!({"const": {"$ref": "#/const"}})));
        assert!(!are_circular(&json!({"$defs": {"unused": {"$ref": "#/$defs/unused"}}})));
        assert!(!are_circular(&json!("no JSON")));
        assert!(!are_circular(&json!({"$ref": "http://x/y#"})));
        assert!(!are_circular(&json!({"$ref": "#/nowhere"})));
        assert!(!are_circular(&json!({
            "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {}},
        })));
    }

    #[test]
    fn a_long_chain_does_not_overflow() {
        let definitions: serde_json::Map<_, _> = (0..50_000)
            .map(|at| (format!("d{at}"), json!({"$ref": format!("#/$defs/d{}", at + 1)})))
            .collect();
        assert!(!are_circular(&json!({"$ref": "#/$defs/d0", "$defs": definitions})));
    }
}
