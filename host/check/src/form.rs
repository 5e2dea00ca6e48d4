//! A form the host has written, read back so that a case can say what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// `{"form": {...}}` with the fields of a `multipart/form-data` body: texts, and files as
/// `{"content_type", "base64"}`; a list for a field that occurs again. None if it is no form.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Value> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
    let mut fields = Map::new();
    let marker = format!("--{boundary}");
    let mut rest = body.strip_prefix(marker.as_bytes())?;
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let head_end = position(part, b"\r\n\r\n")?;
        let (head, content) = (str::from_utf8(&part[..head_end]).ok()?, &part[head_end + 4..]);
        let end = position(content, format!("\r\n{marker}").as_bytes())?;
        rest = &content[end + 2 + marker.len()..];
        let content = &content[..end];
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        let value = match head.split("content-type: ").nth(1) {
            Some(content_type) => {
                json!({"content_type": content_type.trim(), "base64": STANDARD.encode(content)})
            }
            None => String::from_utf8_lossy(content).into(),
        };
        add(&mut fields, name, value);
    }
    (rest == b"--\r\n").then(|| json!({"form": fields}))
}

fn add(fields: &mut Map<String, Value>, name: &str, value: Value) {
    match fields.get_mut(name) {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = json!([first.take(), value]),
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_are_read_back() {
        let body = b"--B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --B\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n2\r\n\
            --B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f.png\"\r\n\
            content-type: image/png\r\n\r\nP\r\nG\r\n--B--\r\n";
        let form = json!({"form": {
            "a": ["1", "2"], "f": {"content_type": "image/png", "base64": "UA0KRw=="},
        }});
        assert_eq!(read("multipart/form-data; boundary=B", body), Some(form));
        assert_eq!(read("application/json", body), None);
        assert_eq!(read("multipart/form-data; boundary=B", b"--B\r\n"), None);
    }
}
