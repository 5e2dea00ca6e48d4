//! What clients may have the host fetch.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tracing::warn;

/// What clients may have the host fetch. The operator's word; a plugin's
/// [`Limits`](crate::Limits) only narrow it.
///
/// Mirrors Dynamo 1.6.1 (`dynamo/common/http/url_validator.py`, `media_reference.py`,
/// `configuration/groups/http_args.py`) with one exception: the host never fetches through a proxy,
/// which would connect to addresses nobody checked. Dynamo does so where
/// `DYN_MM_TRUST_EGRESS_PROXY=1` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether `http` is allowed beside `https` (`DYN_MM_ALLOW_INTERNAL=1`).
    pub allow_http: bool,
    /// Whether addresses inside the operator's network are allowed (`DYN_MM_ALLOW_INTERNAL=1`).
    pub allow_internal: bool,
    /// The directory under which local files are allowed (`DYN_MM_LOCAL_PATH`). None: no files.
    pub local_root: Option<PathBuf>,
    /// How many bytes a medium may have (`DYN_MM_MAX_FILE_SIZE_MB`, 64).
    pub max_bytes: u64,
    /// How many bytes a `data:` URL may have, encoded (`DYN_MM_MAX_DATA_URL_MB`, 16).
    pub max_data_url_bytes: u64,
    /// How long a fetch may take, whatever the plugin says (`DYN_HTTP_TIMEOUT`, in seconds; none).
    pub timeout: Option<Duration>,
    /// How long a connection may take to be made (`DYN_HTTP_CONNECT_TIMEOUT`, in seconds; 5).
    pub connect_timeout: Duration,
}

const MEGABYTE: u64 = 1024 * 1024;

impl Default for Policy {
    /// What Dynamo allows where the environment says nothing.
    fn default() -> Self {
        Policy {
            allow_http: false,
            allow_internal: false,
            local_root: None,
            max_bytes: 64 * MEGABYTE,
            max_data_url_bytes: 16 * MEGABYTE,
            timeout: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl Policy {
    /// The policy of an environment, whose variables `lookup` returns.
    ///
    /// A number that cannot be used is logged and its default stands, as in Dynamo: it must neither
    /// stop the worker nor lift a limit.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let variables = Variables { lookup: &lookup };
        let default = Policy::default();
        let allow_internal = variables.text("DYN_MM_ALLOW_INTERNAL").as_deref() == Some("1");
        if variables.text("DYN_MM_TRUST_EGRESS_PROXY").as_deref() == Some("1") {
            warn!(
                "DYN_MM_TRUST_EGRESS_PROXY=1 has no effect: images and videos are fetched without \
                 a proxy"
            );
        }
        let megabytes = |name| {
            let count = variables.number::<u64>(&[name], |count| *count > 0)?;
            Some(count.saturating_mul(MEGABYTE))
        };
        let seconds = |names| {
            let seconds = variables.number::<f64>(names, |seconds| *seconds > 0.0)?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        Policy {
            allow_http: allow_internal,
            allow_internal,
            local_root: variables.text("DYN_MM_LOCAL_PATH").map(PathBuf::from),
            max_bytes: megabytes("DYN_MM_MAX_FILE_SIZE_MB").unwrap_or(default.max_bytes),
            max_data_url_bytes: megabytes("DYN_MM_MAX_DATA_URL_MB")
                .unwrap_or(default.max_data_url_bytes),
            timeout: seconds(&["DYN_HTTP_TIMEOUT", "DYN_MM_HTTP_READ_TIMEOUT"]),
            connect_timeout: seconds(&["DYN_HTTP_CONNECT_TIMEOUT", "DYN_MM_HTTP_CONNECT_TIMEOUT"])
                .unwrap_or(default.connect_timeout),
        }
    }
}

/// The environment, read the way Dynamo reads it.
struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    /// The variable without blanks around it; none if that leaves nothing.
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The first of these variables that is set, if it is a number that can be used.
    fn number<T: FromStr>(&self, names: &[&str], usable: fn(&T) -> bool) -> Option<T> {
        let (name, text) = names.iter().find_map(|name| Some((name, self.text(name)?)))?;
        let number = text.parse().ok().filter(usable);
        if number.is_none() {
            warn!("{name}={text:?} is not a number above 0; its default stands");
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(variables: &[(&str, &str)]) -> Policy {
        Policy::from_env(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_dynamos_defaults() {
        assert_eq!(policy(&[]), Policy::default());
        assert_eq!(policy(&[("DYN_MM_LOCAL_PATH", "  ")]), Policy::default());
    }

    #[test]
    fn every_variable_is_read() {
        let read = policy(&[
            ("DYN_MM_ALLOW_INTERNAL", "1"),
            ("DYN_MM_LOCAL_PATH", "/srv/media"),
            ("DYN_MM_MAX_FILE_SIZE_MB", "2"),
            ("DYN_MM_MAX_DATA_URL_MB", "3"),
            ("DYN_HTTP_TIMEOUT", "1.5"),
            ("DYN_MM_HTTP_CONNECT_TIMEOUT", "2"),
        ]);
        let expected = Policy {
            allow_http: true,
            allow_internal: true,
            local_root: Some("/srv/media".into()),
            max_bytes: 2 * MEGABYTE,
            max_data_url_bytes: 3 * MEGABYTE,
            timeout: Some(Duration::from_millis(1500)),
            connect_timeout: Duration::from_secs(2),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn the_new_name_of_a_variable_wins() {
        let read = policy(&[("DYN_MM_HTTP_READ_TIMEOUT", "9"), ("DYN_HTTP_TIMEOUT", "3")]);
        assert_eq!(read.timeout, Some(Duration::from_secs(3)));
    }

    #[test]
    fn only_1_allows_internal_addresses() {
        for value in ["0", "true", "yes", "2"] {
            assert!(!policy(&[("DYN_MM_ALLOW_INTERNAL", value)]).allow_internal, "{value}");
        }
    }

    #[test]
    fn a_useless_number_lifts_no_limit() {
        for value in ["0", "-1", "many", "NaN", "inf", "1e300"] {
            let read = policy(&[
                ("DYN_MM_MAX_FILE_SIZE_MB", value),
                ("DYN_MM_MAX_DATA_URL_MB", value),
                ("DYN_HTTP_CONNECT_TIMEOUT", value),
            ]);
            assert_eq!(read, Policy::default(), "{value}");
        }
    }
}
