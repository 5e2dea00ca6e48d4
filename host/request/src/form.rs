//! The body of a call as `multipart/form-data` (RFC 7578).

use std::collections::BTreeMap;

use dynamo_host_failure::Failure;
use dynamo_host_plugin::Inlay;
use serde_json::{Map, Value};

use crate::inlay::tokens;

/// The fields of the JSON object `body`, the blobs among them, as one body with its content type.
/// `boundary` must not occur in any of them: 32 random digits do.
///
/// # Errors
/// [`Kind::Internal`](dynamo_host_failure::Kind), a defect of the plugin: `body` is not an object, or
/// a blob is not for one of its members.
pub fn encode(
    body: &[u8],
    inlays: Vec<Inlay>,
    boundary: &str,
) -> Result<(String, Vec<u8>), Failure> {
    let fields: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| Failure::internal("the plugin asks for a form of what is not an object"))?;
    let mut files = by_field(inlays, &fields)?;
    let blobs: u64 = files.values().flatten().map(|file| file.blob.size()).sum();
    let mut form = Form { boundary, written: Vec::with_capacity(body.len() * 2 + blobs as usize) };
    for (name, value) in &fields {
        for file in files.remove(name).into_iter().flatten() {
            form.file(name, file);
        }
        form.field(name, value);
    }
    form.written.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/form-data; boundary={boundary}"), form.written))
}

/// The blobs of each field. `/images` and `/images/0` are both for the field `images`.
fn by_field(
    inlays: Vec<Inlay>,
    fields: &Map<String, Value>,
) -> Result<BTreeMap<String, Vec<Inlay>>, Failure> {
    let mut files: BTreeMap<String, Vec<Inlay>> = BTreeMap::new();
    for inlay in inlays {
        let name = tokens(&inlay.at).first().map(ToString::to_string).unwrap_or_default();
        if !fields.contains_key(&name) {
            let message = format!("the plugin asks for a medium at `{}` of a form", inlay.at);
            return Err(Failure::internal(format!("{message}, where there is nothing")));
        }
        files.entry(name).or_default().push(inlay);
    }
    Ok(files)
}

struct Form<'a> {
    boundary: &'a str,
    written: Vec<u8>,
}

impl Form<'_> {
    /// Null is no field: it stands where a blob goes.
    fn field(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(values) => values.iter().for_each(|value| self.field(name, value)),
            Value::String(text) => self.part(name, "", "", text.as_bytes().to_vec()),
            other => self.part(name, "", "", other.to_string().into_bytes()),
        }
    }

    /// A file has a name: without one, servers take it for text.
    fn file(&mut self, name: &str, file: Inlay) {
        let content_type = file.blob.content_type().to_owned();
        let extension = content_type.rsplit('/').next().unwrap_or_default();
        let attributes = format!("; filename=\"{}.{}\"", quoted(name), quoted(extension));
        let header = format!("content-type: {content_type}\r\n");
        self.head(name, &attributes, &header);
        for piece in file.blob.into_pieces() {
            self.written.extend_from_slice(&piece);
        }
        self.written.extend_from_slice(b"\r\n");
    }

    fn part(&mut self, name: &str, attributes: &str, header: &str, value: Vec<u8>) {
        self.head(name, attributes, header);
        self.written.extend_from_slice(&value);
        self.written.extend_from_slice(b"\r\n");
    }

    fn head(&mut self, name: &str, attributes: &str, header: &str) {
        let head = format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{}\"{attributes}\r\n{header}\r\n",
            self.boundary,
            quoted(name)
        );
        self.written.extend_from_slice(head.as_bytes());
    }
}

/// As browsers escape what stands between quotes.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamo_host_plugin::{Blob, InlayForm};
    use serde_json::json;

    use super::*;

    fn file(at: &str) -> Inlay {
        let blob = Blob::new("image/png", &b"PNG"[..]);
        Inlay { at: at.into(), blob, form: InlayForm::Base64 }
    }

    #[test]
    fn members_become_fields_and_blobs_become_files() {
        let body = json!({"image": [null, null], "n": 2, "prompt": "a \"cat\"\n", "tags": ["x", "y"], "user": null});
        let inlays = vec![file("/image/0"), file("/image/1")];
        let (content_type, form) = encode(body.to_string().as_bytes(), inlays, "B").unwrap();
        assert_eq!(content_type, "multipart/form-data; boundary=B");
        let image = "--B\r\ncontent-disposition: form-data; name=\"image\"; filename=\"image.png\"\r\n\
                     content-type: image/png\r\n\r\nPNG\r\n";
        let field = |name: &str, value: &str| {
            format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let expected = [
            image.to_owned(),
            image.to_owned(),
            field("n", "2"),
            field("prompt", "a \"cat\"\n"),
            field("tags", "x"),
            field("tags", "y"),
            "--B--\r\n".to_owned(),
        ];
        assert_eq!(String::from_utf8(form).unwrap(), expected.concat());
    }

    #[test]
    fn what_cannot_be_a_form_is_the_plugins_defect() {
        assert!(encode(b"[]", vec![], "B").is_err());
        assert!(encode(br#"{"a": 1}"#, vec![file("/b")], "B").is_err());
    }
}
