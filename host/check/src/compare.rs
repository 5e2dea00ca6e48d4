//! Whether what came is what a case expects.
//!
//! Both sides are JSON values. The expected one may hold patterns: objects whose only member is
//! `$any`, `$set`, `$subset` or `$json_text`. `tests/cases/README.md` defines them for authors.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::values;

/// One place at which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: what was compared, then a JSON pointer into it.
    pub path: String,
    /// What the case expects, in words or as JSON.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { path, expected, got } = self;
        write!(f, "{path}: expected {expected}, got {got}")
    }
}

impl Difference {
    pub(crate) fn new(
        path: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Difference { path: path.into(), expected: expected.into(), got: got.into() }
    }
}

/// Longest JSON shown of one side, in bytes.
const SHOWN: usize = 240;

/// A value as it stands in a difference: compact, cut when long.
pub(crate) fn show(value: &Value) -> String {
    let mut text = value.to_string();
    if text.len() > SHOWN {
        let end = (0..=SHOWN).rev().find(|&i| text.is_char_boundary(i)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The rules of one comparison.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// Members for which null and absent are two things: names, or JSON pointers into the compared
    /// document when they begin with `/`.
    pub strict_null: &'a [String],
}

impl Rules<'_> {
    /// Every difference between the two, in document order. `what` says what is compared and begins
    /// each path.
    pub fn compare(&self, what: &str, expected: &Value, got: &Value) -> Vec<Difference> {
        let mut walk = Walk { rules: self, what, at: String::new(), found: Vec::new() };
        walk.value(expected, got);
        walk.found
    }

    fn is_strict(&self, name: &str, pointer: &str) -> bool {
        self.strict_null.iter().any(|s| if s.starts_with('/') { s == pointer } else { s == name })
    }
}

struct Walk<'a> {
    rules: &'a Rules<'a>,
    what: &'a str,
    /// JSON pointer to where we are.
    at: String,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn value(&mut self, expected: &Value, got: &Value) {
        match (expected, got) {
            (Value::Object(wanted), _) if let Some(pattern) = Pattern::of(wanted) => {
                self.pattern(pattern, got);
            }
            (Value::Object(wanted), Value::Object(members)) => {
                let names: BTreeSet<_> = wanted.keys().chain(members.keys()).collect();
                for name in names {
                    self.member(name, wanted.get(name), members.get(name));
                }
            }
            (Value::Array(wanted), Value::Array(items)) => {
                for i in 0..wanted.len().max(items.len()) {
                    self.below(&i.to_string(), |walk| match (wanted.get(i), items.get(i)) {
                        (Some(wanted), Some(item)) => walk.value(wanted, item),
                        (wanted, item) => walk.one_sided(wanted, item),
                    });
                }
            }
            (Value::Number(wanted), Value::Number(number)) if same_number(wanted, number) => {}
            _ if expected == got => {}
            _ => self.differ(show(expected), show(got)),
        }
    }

    fn member(&mut self, name: &str, expected: Option<&Value>, got: Option<&Value>) {
        self.below(name, |walk| match (expected, got) {
            (Some(expected), Some(got)) => walk.value(expected, got),
            (Some(Value::Null), None) | (None, Some(Value::Null))
                if !walk.rules.is_strict(name, &walk.at) => {}
            _ => walk.one_sided(expected, got),
        });
    }

    fn pattern(&mut self, pattern: Pattern<'_>, got: &Value) {
        match pattern {
            Pattern::Any(sort) => {
                if !Sort::of(sort).is_some_and(|sort| sort.holds(got)) {
                    self.differ(format!("any {}", show(sort)), show(got));
                }
            }
            Pattern::Set(wanted) => {
                let Value::Array(items) = got else {
                    return self
                        .differ(format!("an array in any order: {}", show(wanted)), show(got));
                };
                self.set(wanted.as_array().map(Vec::as_slice).unwrap_or_default(), items);
            }
            Pattern::Subset(wanted) => {
                let (Value::Object(wanted), Value::Object(members)) = (wanted, got) else {
                    return self.differ(format!("an object with {}", show(wanted)), show(got));
                };
                for (name, wanted) in wanted {
                    self.member(name, Some(wanted), members.get(name));
                }
            }
            Pattern::JsonText(wanted) => {
                let parsed = got.as_str().and_then(|text| serde_json::from_str(text).ok());
                match parsed {
                    Some(parsed) => self.value(wanted, &parsed),
                    None => self.differ(format!("a string of JSON: {}", show(wanted)), show(got)),
                }
            }
        }
    }

    /// Each wanted element takes the first element left that matches it.
    fn set(&mut self, wanted: &[Value], items: &[Value]) {
        let mut left: Vec<&Value> = items.iter().collect();
        for wanted in wanted {
            let found =
                left.iter().position(|item| self.rules.compare(self.what, wanted, item).is_empty());
            match found {
                Some(i) => drop(left.remove(i)),
                None => {
                    self.differ(format!("{} among the elements", show(wanted)), "nothing like it")
                }
            }
        }
        for extra in left {
            self.differ("no further element", show(extra));
        }
    }

    fn one_sided(&mut self, expected: Option<&Value>, got: Option<&Value>) {
        let side = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), show);
        self.differ(side(expected), side(got));
    }

    fn differ(&mut self, expected: impl Into<String>, got: impl Into<String>) {
        let path = format!("{} {}", self.what, self.at);
        self.found.push(Difference::new(path.trim_end(), expected, got));
    }

    fn below(&mut self, name: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        self.at.push('/');
        self.at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        visit(self);
        self.at.truncate(length);
    }
}

/// What an expected object may mean instead of itself.
enum Pattern<'a> {
    Any(&'a Value),
    Set(&'a Value),
    Subset(&'a Value),
    JsonText(&'a Value),
}

impl<'a> Pattern<'a> {
    fn of(object: &'a Map<String, Value>) -> Option<Self> {
        let (name, value) = object.iter().next().filter(|_| object.len() == 1)?;
        match name.as_str() {
            "$any" => Some(Pattern::Any(value)),
            "$set" => Some(Pattern::Set(value)),
            "$subset" => Some(Pattern::Subset(value)),
            "$json_text" => Some(Pattern::JsonText(value)),
            _ => None,
        }
    }
}

/// What `$any` can ask for.
#[derive(Clone, Copy)]
enum Sort {
    Value,
    Boolean,
    Integer,
    Number,
    String,
    Hex32,
    Array,
    Object,
}

impl Sort {
    const NAMES: [(&'static str, Sort); 8] = [
        ("value", Sort::Value),
        ("boolean", Sort::Boolean),
        ("integer", Sort::Integer),
        ("number", Sort::Number),
        ("string", Sort::String),
        ("hex32", Sort::Hex32),
        ("array", Sort::Array),
        ("object", Sort::Object),
    ];

    fn of(name: &Value) -> Option<Sort> {
        let name = name.as_str()?;
        Sort::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, sort)| sort)
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Sort::Value => true,
            Sort::Boolean => value.is_boolean(),
            Sort::Integer => is_integer(value.as_number()),
            Sort::Number => value.is_number(),
            Sort::String => value.is_string(),
            Sort::Hex32 => value.as_str().is_some_and(|text| {
                text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            }),
            Sort::Array => value.is_array(),
            Sort::Object => value.is_object(),
        }
    }
}

fn is_integer(number: Option<&Number>) -> bool {
    number.is_some_and(|n| n.is_i64() || n.is_u64())
}

/// Integers are compared exactly, and where one is expected nothing else will do: an engine or a
/// frontend that wants an integer refuses `16.0`. Floats may have passed through 32 bits.
fn same_number(expected: &Number, got: &Number) -> bool {
    if is_integer(Some(expected)) {
        return expected == got;
    }
    match (expected.as_f64(), got.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= f64::from(f32::EPSILON) * a.abs().max(b.abs()),
        _ => false,
    }
}

/// Says what is wrong with the patterns of an expected document, if anything; `at` names the place.
pub(crate) fn check_patterns(at: &str, expected: &Value) -> Result<(), String> {
    match expected {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| check_patterns(&format!("{at}[{i}]"), item)),
        Value::Object(object) => {
            if let Some(Err(why)) = values::as_bytes(object) {
                return Err(format!("{at}: {why}"));
            }
            match Pattern::of(object) {
                Some(Pattern::Any(sort)) if Sort::of(sort).is_none() => {
                    let names: Vec<_> = Sort::NAMES.iter().map(|(name, _)| *name).collect();
                    return Err(format!("{at}: `$any` takes one of {}", names.join(", ")));
                }
                Some(Pattern::Set(Value::Array(_)) | Pattern::Subset(Value::Object(_))) => {}
                Some(Pattern::Set(_)) => return Err(format!("{at}: `$set` takes an array")),
                Some(Pattern::Subset(_)) => return Err(format!("{at}: `$subset` takes an object")),
                _ => {}
            }
            object
                .iter()
                .try_for_each(|(name, member)| check_patterns(&format!("{at}.{name}"), member))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
