//! `--dyn-structural-tag`, and the three deprecated flags it came of.
//!
//! Mirrors `resolve_structural_tag_config` of Dynamo 1.6.1: guidance is on unless it is turned off,
//! and the frontend reads what comes of it from the model card.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::environment::{is_falsy, is_truthy};
use super::error::UsageError;
use super::flags::FrontendFlags;

/// What `--dyn-structural-tag` says.
#[derive(Clone, Debug, PartialEq)]
pub enum StructuralTag {
    /// No guidance but where a model's own format needs it.
    Off,
    /// Guidance, like this.
    On(Guidance),
}

/// How tool calls are guided.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guidance {
    scope: Scope,
    schema: Schema,
    allow_tool_calls_with_structured_output: bool,
    exclude_special_tokens: Option<bool>,
    reasoning_boundary: Boundary,
    tool_arguments_any_order: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    Auto,
    Always,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Schema {
    Auto,
    Strict,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Boundary {
    Auto,
    StructuralTag,
    Backend,
}

impl Default for Guidance {
    fn default() -> Self {
        Guidance {
            scope: Scope::Always,
            schema: Schema::Auto,
            allow_tool_calls_with_structured_output: false,
            exclude_special_tokens: None,
            reasoning_boundary: Boundary::Auto,
            tool_arguments_any_order: false,
        }
    }
}

/// The flag's value.
pub(super) fn parse(text: &str) -> Result<StructuralTag, String> {
    if is_truthy(text) {
        return Ok(StructuralTag::On(Guidance::default()));
    }
    if is_falsy(text) {
        return Ok(StructuralTag::Off);
    }
    // Of a list, serde would make the members in their order.
    serde_json::from_str(text)
        .and_then(|members: Map<String, Value>| serde_json::from_value(Value::Object(members)))
        .map(StructuralTag::On)
        .map_err(|error| format!("neither true nor false nor a JSON object it can be: {error}"))
}

/// What the frontend is told: an object, or null for no guidance.
///
/// # Errors
/// The flag together with a deprecated one that says otherwise.
pub(super) fn resolve(
    flags: &FrontendFlags,
    warnings: &mut Vec<String>,
) -> Result<Value, UsageError> {
    let (enable, scope, schema) = (
        flags.dyn_enable_structural_tag,
        flags.dyn_structural_tag_scope.as_deref(),
        flags.dyn_structural_tag_schema.as_deref(),
    );
    let switch = match enable {
        Some(false) => "--no-dyn-enable-structural-tag",
        _ => "--dyn-enable-structural-tag",
    };
    let deprecated = [
        (enable.is_some(), switch),
        (scope.is_some(), "--dyn-structural-tag-scope"),
        (schema.is_some(), "--dyn-structural-tag-schema"),
    ];
    for (_, name) in deprecated.iter().filter(|(given, _)| *given) {
        warnings.push(format!("{name} is deprecated: use --dyn-structural-tag"));
    }
    let guidance = match &flags.dyn_structural_tag {
        None if enable == Some(false) => None,
        None => Some(Guidance {
            scope: if scope == Some("auto") { Scope::Auto } else { Scope::Always },
            schema: if schema == Some("strict") { Schema::Strict } else { Schema::Auto },
            ..Guidance::default()
        }),
        Some(tag) => {
            let on = matches!(tag, StructuralTag::On(_));
            let agrees = |name| name == switch && enable == Some(on);
            if let Some((_, name)) =
                deprecated.iter().find(|(given, name)| *given && !agrees(*name))
            {
                return Err(UsageError::Conflict {
                    first: "--dyn-structural-tag".into(),
                    second: (*name).into(),
                    why: "the second is deprecated; say it all with the first",
                });
            }
            match tag {
                StructuralTag::On(guidance) => Some(guidance.clone()),
                StructuralTag::Off => None,
            }
        }
    };
    Ok(guidance.and_then(|guidance| serde_json::to_value(guidance).ok()).unwrap_or(Value::Null))
}
