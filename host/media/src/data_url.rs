//! `data:` URLs, which carry the medium in base64.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use dynamo_host_blob::{Blob, content_type};
use percent_encoding::percent_decode_str;

use crate::error::{FetchError, shortened};
use crate::limits::Limits;
use crate::policy::Policy;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What follows `data:` in the URL; `None` for other URLs.
pub(crate) fn rest(url: &str) -> Option<&str> {
    let scheme = url.get(..5)?;
    scheme.eq_ignore_ascii_case("data:").then(|| &url[5..])
}

/// Decodes what follows `data:`. Only base64 is taken, as in Dynamo
/// (`dynamo/common/multimodal/media_source.py`): percent-encoded text is no image.
pub(crate) fn decode(rest: &str, policy: &Policy, limits: &Limits) -> Result<Blob, FetchError> {
    let (head, data) = rest.split_once(',').unwrap_or((rest, ""));
    let declared = content_type::declared(head);
    let label = || {
        let shown = declared.as_deref().unwrap_or(content_type::UNKNOWN);
        format!("data:{shown} ({} characters)", rest.len())
    };
    let refuse =
        |problem: &str| FetchError::DataUrl { label: label(), problem: problem.to_owned() };

    let limit = policy.max_data_url_bytes;
    if rest.len() as u64 > limit {
        return Err(FetchError::DataUrlTooLarge { label: label(), limit });
    }
    if head.len() == rest.len() {
        return Err(refuse("there is no comma before the data"));
    }
    if !head.split(';').skip(1).any(|part| part.trim().eq_ignore_ascii_case("base64")) {
        return Err(refuse("the data must be in base64, marked with ;base64"));
    }
    // Three bytes for four characters: too much is known before it is decoded.
    let limit = limits.max_bytes.min(policy.max_bytes);
    if data.len() as u64 / 4 * 3 > limit.saturating_add(2) && !data.contains('%') {
        return Err(FetchError::TooLarge { label: label(), limit });
    }
    let bytes = if data.contains('%') {
        BASE64.decode(percent_decode_str(data).collect::<Vec<u8>>())
    } else {
        BASE64.decode(data)
    }
    .map_err(|error| {
        refuse(&format!("the data is not base64: {}", shortened(&error.to_string())))
    })?;
    if bytes.len() as u64 > limit {
        return Err(FetchError::TooLarge { label: label(), limit });
    }
    let label = label();
    let content_type = content_type::of(declared, &bytes);
    crate::fetch::wanted(label, &content_type, limits)?;
    Ok(Blob::new(content_type, bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn limits(max_bytes: u64) -> Limits {
        Limits { max_bytes, timeout: Duration::MAX, accept: Vec::new() }
    }

    fn decoded(url: &str) -> Result<Blob, FetchError> {
        decode(rest(url).unwrap(), &Policy::default(), &limits(1000))
    }

    #[test]
    fn base64_is_decoded_under_its_type() {
        for url in [
            "data:image/png;base64,aGVsbG8=",
            "DATA:Image/PNG;charset=utf-8;BASE64,aGVsbG8",
            "data:image/png;base64,aGVsbG8%3D",
        ] {
            let blob = decoded(url).unwrap();
            assert_eq!(blob, Blob::new("image/png", &b"hello"[..]), "{url}");
        }
    }

    #[test]
    fn a_missing_type_shows_in_the_bytes() {
        let shown = |url| decoded(url).unwrap().content_type().to_owned();
        assert_eq!(shown("data:;base64,iVBORw0KGgo="), "image/png");
        assert_eq!(shown("data:;base64,aGVsbG8="), content_type::UNKNOWN);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for url in [
            "data:",
            "data:image/png;base64",
            "data:image/png,hello",
            "data:base64,aGVsbG8=",
            "data:image/png;base64,!!!!",
            "data:image/png;base64,aGVsb G8=",
            "data:image/png;base64,a",
        ] {
            assert!(matches!(decoded(url), Err(FetchError::DataUrl { .. })), "{url}");
        }
    }

    #[test]
    fn limits_hold_for_the_url_and_for_the_bytes() {
        let policy = Policy { max_data_url_bytes: 30, ..Policy::default() };
        let long = format!(";base64,{}", "A".repeat(40));
        let refused = decode(&long, &policy, &limits(1000));
        assert!(matches!(refused, Err(FetchError::DataUrlTooLarge { limit: 30, .. })));

        let refused =
            |data: &str| decode(&format!(";base64,{data}"), &Policy::default(), &limits(4));
        assert!(refused("aGVsbA==").is_ok());
        for data in ["aGVsbG8=", "aGVsbG8%3D", &"A".repeat(100)] {
            assert!(matches!(refused(data), Err(FetchError::TooLarge { limit: 4, .. })), "{data}");
        }
    }

    #[test]
    fn the_data_stays_out_of_the_message() {
        let message = decoded(&format!("data:image/png;base64,{}!", "A".repeat(500))).unwrap_err();
        let message = message.to_string();
        assert!(message.starts_with("data:image/png (518 characters): "), "{message}");
        assert!(!message.contains("AAAA"), "{message}");
    }
}
