//! Writing the token ids into the body of a call.

use bytes::Bytes;
use dynamo_host_failure::Failure;

/// Digits of a typical token id and its comma.
const TYPICAL_ID: usize = 7;

/// Adds `"member":[ids]` to the JSON object `body`.
///
/// The body is not parsed: it must end with the object's brace, which is where the member goes.
///
/// # Errors
/// [`Kind::Internal`](dynamo_host_failure::Kind) if `body` does not look like an object: a defect of
/// the plugin.
pub fn token_ids(body: &[u8], member: &str, ids: &[u32]) -> Result<Bytes, Failure> {
    let not_an_object =
        || Failure::internal("the plugin asks for token ids in a body that is not a JSON object");
    let (b'{', Some(inner)) = (
        *body.trim_ascii().first().ok_or_else(not_an_object)?,
        body.trim_ascii_end().strip_suffix(b"}"),
    ) else {
        return Err(not_an_object());
    };
    let name = serde_json::to_vec(member).map_err(|error| Failure::internal(error.to_string()))?;

    let mut spliced = Vec::with_capacity(inner.len() + name.len() + ids.len() * TYPICAL_ID + 8);
    spliced.extend_from_slice(inner);
    if inner.trim_ascii_end() != b"{" && inner.trim_ascii() != b"{" {
        spliced.push(b',');
    }
    spliced.extend_from_slice(&name);
    spliced.extend_from_slice(b":[");
    crate::token_ids::write(ids, &mut spliced);
    spliced.extend_from_slice(b"]}");
    Ok(spliced.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ids_become_a_member() {
        let spliced = token_ids(br#"{"stream":true} "#, "input_ids", &[1, 23, 4294967295]).unwrap();
        assert_eq!(spliced, r#"{"stream":true,"input_ids":[1,23,4294967295]}"#);
    }

    #[test]
    fn an_empty_object_and_no_ids_are_fine() {
        assert_eq!(token_ids(b" {} ", "a\"b", &[]).unwrap(), r#" {"a\"b":[]}"#);
    }

    #[test]
    fn anything_but_an_object_is_the_plugins_defect() {
        for body in [&b""[..], b"[]", b"{", b"null"] {
            assert!(token_ids(body, "input_ids", &[1]).is_err(), "{body:?}");
        }
    }
}
