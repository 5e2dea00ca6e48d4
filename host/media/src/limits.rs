//! What the plugin lets be fetched.

use std::time::Duration;

/// What one fetch may cost and bring. The operator's [`Policy`](crate::Policy) bounds it further.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many bytes the medium may have.
    pub max_bytes: u64,
    /// How long the fetch may take, with all its redirects.
    pub timeout: Duration,
    /// Prefixes of the media types to take, such as `image/`. None: any type.
    pub accept: Vec<String>,
}

impl Limits {
    /// Whether a medium of this type is wanted. `content_type` is in lower case.
    pub(crate) fn accepts(&self, content_type: &str) -> bool {
        self.accept.is_empty()
            || self.accept.iter().any(|prefix| {
                content_type
                    .get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_wanted_by_its_prefix() {
        let limits = |accept: &[&str]| Limits {
            max_bytes: 0,
            timeout: Duration::ZERO,
            accept: accept.iter().map(ToString::to_string).collect(),
        };
        assert!(limits(&[]).accepts("text/html"));
        assert!(limits(&["video/", "Image/"]).accepts("image/png"));
        assert!(!limits(&["image/"]).accepts("imag"));
        assert!(!limits(&["image/"]).accepts("text/html"));
    }
}
