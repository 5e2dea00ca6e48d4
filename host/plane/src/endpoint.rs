//! The name of an endpoint.

use std::fmt;
use std::str::FromStr;

/// The name under which a worker is found: `dyn://namespace.component.endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId {
    /// A deployment: a frontend can be told to see only one namespace.
    pub namespace: String,
    /// The worker type within it, such as `backend` or `prefill`.
    pub component: String,
    /// The function called, as a rule `generate`.
    pub endpoint: String,
}

/// A string that does not name an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{value}' does not name an endpoint: write dyn://namespace.component.endpoint, each part of \
     lower-case letters, digits, '-' and '_'"
)]
pub struct InvalidEndpoint {
    /// What was given.
    pub value: String,
}

impl FromStr for EndpointId {
    type Err = InvalidEndpoint;

    /// The scheme may be left out. Dynamo accepts the same characters (`component.rs`), but finds
    /// out only when the component is made.
    fn from_str(value: &str) -> Result<Self, InvalidEndpoint> {
        let parts: Vec<&str> = value.strip_prefix("dyn://").unwrap_or(value).split('.').collect();
        match parts.as_slice() {
            [namespace, component, endpoint] if parts.iter().all(|part| is_name(part)) => {
                Ok(EndpointId {
                    namespace: (*namespace).to_owned(),
                    component: (*component).to_owned(),
                    endpoint: (*endpoint).to_owned(),
                })
            }
            _ => Err(InvalidEndpoint { value: value.to_owned() }),
        }
    }
}

fn is_name(part: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    !part.is_empty() && part.bytes().all(allowed)
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dyn://{}.{}.{}", self.namespace, self.component, self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_scheme_is_optional_and_always_shown() {
        for text in ["dyn://prod.backend.generate", "prod.backend.generate"] {
            let id: EndpointId = text.parse().unwrap();
            assert_eq!(id.namespace, "prod");
            assert_eq!(id.component, "backend");
            assert_eq!(id.endpoint, "generate");
            assert_eq!(id.to_string(), "dyn://prod.backend.generate");
        }
    }

    #[test]
    fn exactly_three_plain_parts_make_a_name() {
        for text in [
            "",
            "a.b",
            "a.b.c.d",
            "a..c",
            "dyn://a.b.",
            "http://a.b.c",
            "A.b.c",
            "a.b.c d",
            "a.b/c.d",
        ] {
            let error = text.parse::<EndpointId>().unwrap_err();
            assert_eq!(error.value, text);
        }
    }
}
