//! Guided decoding: the language the answer must belong to.

use serde::Serialize;
use serde_json::Value;

use super::errors::refused;
use super::{python, references};
use crate::Result;

/// The one constraint SGLang takes for a request, under its own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// JSON that fits a schema.
    JsonSchema(String),
    /// Text that matches a regular expression.
    Regex(String),
    /// Text of a grammar in extended Backus-Naur form.
    Ebnf(String),
    /// Free text with structured parts.
    StructuralTag(String),
}

/// The constraint a request's `guided_decoding` asks for. The first one present wins, in the order
/// `json`, `regex`, `choice`, `grammar`, `structural_tag`; what is no object asks for nothing.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) for a schema that refers to itself in a circle, and for
/// members of the wrong type.
pub fn constraint(guided: Option<&Value>) -> Result<Option<Constraint>> {
    let Some(Value::Object(guided)) = guided else { return Ok(None) };
    let given = |name: &str| guided.get(name).filter(|value| !value.is_null());
    if let Some(schema) = given("json") {
        if references::are_circular(schema) {
            return Err(refused(
                "guided_decoding.json: the schema refers to itself through `$ref` and `allOf` \
                 alone, which describes nothing",
            ));
        }
        // A schema given as a string is quoted once more, as Dynamo does.
        return Ok(Some(Constraint::JsonSchema(python::dumps(schema)?)));
    }
    if let Some(regex) = given("regex") {
        return Ok(Some(Constraint::Regex(text("regex", regex)?.to_owned())));
    }
    if let Some(choices) = given("choice")
        && let Some(regex) = any_of(choices)?
    {
        return Ok(Some(Constraint::Regex(regex)));
    }
    if let Some(grammar) = given("grammar") {
        return Ok(Some(Constraint::Ebnf(text("grammar", grammar)?.to_owned())));
    }
    Ok(match given("structural_tag") {
        Some(Value::String(tag)) => Some(Constraint::StructuralTag(tag.clone())),
        Some(tag) => Some(Constraint::StructuralTag(python::dumps(tag)?)),
        None => None,
    })
}

/// A pattern that matches each of a list of strings, nulls left out; none for an empty list.
fn any_of(choices: &Value) -> Result<Option<String>> {
    let Value::Array(choices) = choices else {
        return Err(refused("guided_decoding.choice: not a list"));
    };
    let mut pattern = String::new();
    for choice in choices.iter().filter(|choice| !choice.is_null()) {
        pattern.push(if pattern.is_empty() { '(' } else { '|' });
        python::escape_regex(text("choice", choice)?, &mut pattern);
    }
    Ok((!pattern.is_empty()).then(|| pattern + ")"))
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| refused(format!("guided_decoding.{name}: not a string: {value}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn of(guided: Value) -> Option<Constraint> {
        constraint(Some(&guided)).unwrap()
    }

    #[test]
    fn the_first_present_wins() {
        let schema = Constraint::JsonSchema(r#"{"type": "string"}"#.into());
        assert_eq!(of(json!({"regex": "a", "json": {"type": "string"}})), Some(schema));
        assert_eq!(
            of(json!({"json": null, "choice": [null, "a|b", "c"], "grammar": "g"})),
            Some(Constraint::Regex("(a\\|b|c)".into()))
        );
        assert_eq!(of(json!({"choice": [], "grammar": "g"})), Some(Constraint::Ebnf("g".into())));
        assert_eq!(of(json!({"backend": "xgrammar"})), None);
        assert_eq!(of(json!("x")), None);
    }

    #[test]
    fn a_string_schema_is_quoted_again() {
        assert_eq!(of(json!({"json": "{}"})), Some(Constraint::JsonSchema("\"{}\"".into())));
    }

    #[test]
    fn wrong_types_and_circles_are_refused() {
        for guided in [
            json!({"json": {"$ref": "#"}}),
            json!({"regex": 5}),
            json!({"choice": "a"}),
            json!({"choice": [5]}),
        ] {
            let failure = constraint(Some(&guided)).unwrap_err().into_failure();
            assert_eq!(failure.kind, crate::Kind::InvalidRequest);
            assert!(!failure.public);
        }
    }
}
