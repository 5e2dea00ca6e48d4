//! Of what type a medium is: what its source says, or what its first bytes say.

/// The type of bytes nothing is known about.
pub const UNKNOWN: &str = "application/octet-stream";

/// Longer than any registered media type; what is longer is not one.
const LONGEST: usize = 127;

/// The media type in a `Content-Type` header or a `data:` URL: lower case, without parameters.
/// `None` if there is none or it says nothing, as many stores of files answer for any file.
pub fn declared(value: &str) -> Option<String> {
    let essence = value.split(';').next().unwrap_or_default().trim();
    let (main, sub) = essence.split_once('/')?;
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    if essence.len() > LONGEST || !is_token(main) || !is_token(sub) {
        return None;
    }
    let essence = essence.to_ascii_lowercase();
    (essence != UNKNOWN && essence != "binary/octet-stream").then_some(essence)
}

/// The media type of these bytes: the declared one, else the one their beginning shows.
pub fn of(declared: Option<String>, bytes: &[u8]) -> String {
    declared
        .unwrap_or_else(|| infer::get(bytes).map_or(UNKNOWN, |kind| kind.mime_type()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_go() {
        assert_eq!(declared("Image/PNG; charset=utf-8").as_deref(), Some("image/png"));
        assert_eq!(declared("image/svg+xml").as_deref(), Some("image/svg+xml"));
    }

    #[test]
    fn what_is_not_a_type_or_says_nothing_is_none() {
        let long = format!("image/{}", "x".repeat(LONGEST));
        for value in ["", "png", "/", "image/", "image/p g", "application/octet-stream", &long] {
            assert_eq!(declared(value), None, "{value}");
        }
    }

    #[test]
    fn bytes_tell_where_the_source_does_not() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(of(None, png), "image/png");
        assert_eq!(of(Some("image/webp".into()), png), "image/webp");
        assert_eq!(of(None, b"hello"), UNKNOWN);
    }
}
