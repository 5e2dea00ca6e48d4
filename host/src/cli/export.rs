//! Flags that Dynamo's runtime and the engine know as variables only.
//!
//! `runtime_args.py` of Dynamo 1.6.1 writes them into the environment of its process. Rust has no
//! safe way to do that, so the host starts itself again with the variables it should have had. It
//! stays the same process, and then has nothing more to change.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;

use clap::{ArgMatches, Command};

use super::environment::Environment;
use super::words::{Given, Origin};

/// The flags, by their ids. Their variables are those of `--help`.
const EXPORTED: [&str; 17] = [
    "engine_request_limit",
    "fpm_trace",
    "nats_tls_ca_cert_path",
    "nats_tls_client_cert_path",
    "nats_tls_client_key_path",
    "nats_tls_insecure",
    "response_plane",
    TRACE_LEVEL,
    "tcp_tls_ca_cert_path",
    "tcp_tls_cert_path",
    "tcp_tls_client_ca_cert_path",
    "tcp_tls_client_cert_path",
    "tcp_tls_client_key_path",
    "tcp_tls_handshake_timeout_secs",
    "tcp_tls_insecure",
    "tcp_tls_key_path",
    "tcp_tls_server_name",
];

/// Dynamo's default is not SGLang's.
const TRACE_LEVEL: &str = "sglang_trace_level";

/// Variables with the values they should have and do not have yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exports(pub BTreeMap<String, String>);

impl Exports {
    pub(super) fn of(
        command: &Command,
        matches: &ArgMatches,
        given: &Given,
        environment: &Environment,
        engine_traces: bool,
    ) -> Self {
        let wanted = command.get_arguments().filter_map(|flag| {
            let id = flag.get_id().as_str();
            let counts = match given.origin(id) {
                Some(Origin::CommandLine(_)) => true,
                Some(Origin::Variable(_)) => false,
                None => id == TRACE_LEVEL && engine_traces,
            };
            if !counts || !EXPORTED.contains(&id) {
                return None;
            }
            let value = match matches.get_raw(id)?.next()?.to_str()? {
                "true" => "1",
                "false" => "0",
                value => value,
            };
            Some((flag.get_env()?.to_str()?.to_owned(), value.to_owned()))
        });
        Exports(wanted.filter(|(name, value)| environment.get(name) != Some(value)).collect())
    }

    /// Starts this program again, with the same words, if a variable must change. Returns only if
    /// none must or that fails.
    ///
    /// # Errors
    /// Why it failed.
    pub fn apply(&self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let program = std::env::current_exe()?;
        let words = std::env::args_os().skip(1);
        Err(std::process::Command::new(program).args(words).envs(&self.0).exec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;
    use crate::cli::flags::Flags;
    use crate::cli::resolve;

    fn exports(line: &str, variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let words = std::iter::once("host").chain(line.split_whitespace()).map(String::from);
        resolve(words, &environment.collect()).unwrap().exports.0.into_iter().collect()
    }

    fn pair(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn what_is_exported_exists() {
        let command = Flags::command();
        for id in EXPORTED {
            assert!(command.get_arguments().any(|flag| flag.get_id() == id), "{id}");
        }
    }

    #[test]
    fn only_what_the_variables_do_not_say_is_exported() {
        assert_eq!(exports("", &[]), []);
        assert_eq!(exports("--response-plane quic", &[]), pair("DYN_RESPONSE_PLANE", "quic"));
        assert_eq!(exports("--response-plane quic", &[("DYN_RESPONSE_PLANE", "quic")]), []);
        assert_eq!(exports("", &[("DYN_RESPONSE_PLANE", "quic")]), []);
        assert_eq!(
            exports("--no-nats-tls-insecure", &[("NATS_TLS_INSECURE", "1")]),
            pair("NATS_TLS_INSECURE", "0")
        );
        assert_eq!(exports("--enable-trace", &[]), pair("SGLANG_TRACE_LEVEL", "2"));
    }
}
