//! Python's way with JSON, regular expressions and integers, where engine or model see the result.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// JSON text as `json.dumps` writes it: a space after `,` and `:`, and ASCII only. Members keep
/// their order, so a schema constrains the order of the answer's members as its author meant.
///
/// # Errors
/// None for JSON.
pub fn dumps(value: &Value) -> Result<String, serde_json::Error> {
    dumps_with(value, Dumps { ascii: true })
}

/// The same in Unicode: `json.dumps(value, ensure_ascii=False)`.
///
/// # Errors
/// None for JSON.
pub fn dumps_unicode(value: &Value) -> Result<String, serde_json::Error> {
    dumps_with(value, Dumps { ascii: false })
}

fn dumps_with(value: &Value, dumps: Dumps) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut text, dumps))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

struct Dumps {
    ascii: bool,
}

impl Formatter for Dumps {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() || !self.ascii {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// What `re.escape` makes of a string: a pattern that matches just this string.
pub(super) fn escape_regex(text: &str, pattern: &mut String) {
    for character in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
}

/// What `int()` makes of a value; none where it would raise.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        // A float is cut towards zero, as the cast does.
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|f| f as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn dumps_spaces_keeps_order_and_escapes() {
        let value: Value = serde_json::from_str(r#"{"z":[1,2.5,null],"a":"ü😀\n"}"#).unwrap();
        assert_eq!(dumps(&value).unwrap(), r#"{"z": [1, 2.5, null], "a": "\u00fc\ud83d\ude00\n"}"#);
        assert_eq!(dumps_unicode(&value).unwrap(), r#"{"z": [1, 2.5, null], "a": "ü😀\n"}"#);
        assert_eq!(dumps(&json!([])).unwrap(), "[]");
        assert_eq!(dumps(&json!({})).unwrap(), "{}");
    }

    #[test]
    fn escape_regex_escapes_what_python_does() {
        let mut pattern = String::new();
        escape_regex("a-b c.d|e_f/g\"h\u{e9}#~", &mut pattern);
        assert_eq!(pattern, "a\\-b\\ c\\.d\\|e_f/g\"h\u{e9}\\#\\~");
    }

    #[test]
    fn int_reads_what_python_does() {
        assert_eq!(int(&json!(" 3 ")), Some(3));
        assert_eq!(int(&json!(2.9)), Some(2));
        assert_eq!(int(&json!(true)), Some(1));
        assert_eq!(int(&json!("")), None);
        assert_eq!(int(&json!("two")), None);
        assert_eq!(int(&json!([1])), None);
    }
}
