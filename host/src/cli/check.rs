//! `dynamo-host check`: cases against a plugin.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dynamo_host_check::{self as check, Options};

use crate::{loading, locate};

/// Runs case files against a plugin in the real plugin runtime, with a scripted engine.
///
/// Prints a line for each case, the differences of each that failed, and the counts. Exits with 1
/// if any failed or none was found.
#[derive(Debug, Parser)]
#[command(name = "dynamo-host check", max_term_width = 100)]
pub(super) struct CheckArguments {
    /// The plugin: a component file, or a name as for serving.
    #[arg(long, env = "DYN_HOST_PLUGIN")]
    plugin: String,

    /// Case files, and folders that hold them.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
}

/// Exit code of a check that could not be done, as clap's for bad usage.
const USAGE: u8 = 2;

/// Runs the check that `words` (`dynamo-host check ...`) ask for.
pub(super) fn run(words: &[String]) -> ExitCode {
    check(CheckArguments::parse_from(words.iter().skip(1)))
}

/// Runs a check.
pub(super) fn check(arguments: CheckArguments) -> ExitCode {
    let plugin = match locate::plugin(&arguments.plugin) {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("dynamo-host: {error}");
            return USAGE.into();
        }
    };
    let options = Options { plugin, cases: arguments.cases, cache: loading::usual_cache() };
    match check::run(options, &mut std::io::stdout().lock()) {
        Ok(summary) if summary.is_success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dynamo-host: {error}");
            USAGE.into()
        }
    }
}
