//! Circular references in a JSON schema.
//!
//! A schema that refers to itself through nothing but `$ref` and `allOf` describes nothing, and
//! sends the engine's grammar compiler round for ever. A circle through `properties` or `items` is
//! an ordinary recursive type and stays allowed. Mirrors Dynamo's `guided_json.py`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Members that hold data, not schemas: a `$ref` in there refers to nothing.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Whether `schema` refers to itself through `$ref` and `allOf` alone.
pub(super) fn are_circular(schema: &Value) -> bool {
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

/// Every object in `schema` that may be a schema.
fn objects_of(schema: &Value) -> Vec<&Map<String, Value>> {
    let mut objects = Vec::new();
    let mut waiting = vec![schema];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => {
                objects.push(members);
                waiting.extend(
                    members
                        .iter()
                        .filter(|(name, _)| !DATA.contains(&name.as_str()))
                        .map(|(_, member)| member),
                );
            }
            _ => {}
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
        assert!(are_circular(&json!({"$defs": {"a/b": {"$ref": "#/$defs/a~1b"}}})));
    }

    #[test]
    fn recursive_types_and_the_rest() {
        assert!(!are_circular(&json!({"properties": {"next": {"$ref": "#"}}})));
        assert!(!are_circular(&json!({"type": "array", "items": {"$ref": "#"}})));
        assert!(!are_circular(&json!({"anyOf": [{"$ref": "#"}, {"type": "null"}]})));
        assert!(!are_circular(&json!({"const": {"$ref": "#/const"}})));
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
        assert!(!are_circular(&json!({"$defs": definitions})));
    }
}
