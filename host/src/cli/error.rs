//! Why a command line cannot be served.

use std::path::PathBuf;

use super::choice::WorkerType;
use super::disagg_config::DisaggConfigError;
use super::health_check::HealthCheckError;

/// Bad usage. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A flag or its value; or help, which clap counts among errors.
    #[error("{error}{}", note(variable.as_deref()))]
    Flag {
        /// What is wrong.
        error: clap::Error,
        /// The variable the value is from, if it is not on the command line.
        variable: Option<String>,
    },
    /// Two flags that ask for different workers.
    #[error(
        "{first} asks for a worker of type {first_type} and {second} for one of type \
         {second_type}: give one of them"
    )]
    TwoWorkers {
        /// A flag or a variable.
        first: String,
        /// What it asks for.
        first_type: WorkerType,
        /// Another one.
        second: String,
        /// What it asks for.
        second_type: WorkerType,
    },
    /// Two flags that exclude each other.
    #[error("{first} and {second} cannot be given together: {why}")]
    Conflict {
        /// A flag or a variable.
        first: String,
        /// Another one.
        second: String,
        /// What would be unclear, and what to do.
        why: &'static str,
    },
    /// A flag that means nothing by itself.
    #[error("{flag} needs {missing}")]
    Needs {
        /// A flag or a variable.
        flag: String,
        /// What must be given with it.
        missing: &'static str,
    },
    /// A flag this host cannot serve by.
    #[error("{flag} does not work here: {why}")]
    Unsupported {
        /// The flag.
        flag: String,
        /// Why, and what to do instead.
        why: &'static str,
    },
    /// No chat template there.
    #[error("there is no chat template at {} ({flag})", path.display())]
    NoTemplate {
        /// A flag or a variable.
        flag: String,
        /// What it says, expanded.
        path: PathBuf,
    },
    /// The policy file of `--router-policy-config` is none.
    #[error("{flag} {}: {problem}", path.display())]
    RouterPolicy {
        /// A flag or a variable.
        flag: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The engine's flags cannot be had from `--disagg-config`.
    #[error(transparent)]
    DisaggConfig(#[from] DisaggConfigError),
    /// The health check is none.
    #[error(transparent)]
    HealthCheck(#[from] HealthCheckError),
    /// The host cannot start itself again with the variables it needs.
    #[error(
        "cannot start again with the variables for Dynamo's runtime: {0}. Set them instead of \
             their flags"
    )]
    Restart(std::io::Error),
    /// The configuration cannot be written down.
    #[error("cannot write the configuration to {} (--dump-config-to): {error}", path.display())]
    Dump {
        /// Where to.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

impl UsageError {
    /// The exit code of a process that is used badly, as clap's and argparse's. 0 for help.
    pub fn exit_code(&self) -> u8 {
        match self {
            UsageError::Flag { error, .. } if !error.use_stderr() => 0,
            _ => 2,
        }
    }

    /// Tells the operator, on the stream that is for it.
    pub(super) fn print(&self) {
        match self {
            UsageError::Flag { error, variable } => {
                // Clap knows whether there is a terminal with colours. That nobody can be told is
                // no reason to end otherwise.
                let _ = error.print();
                if variable.is_some() {
                    eprintln!("{}", note(variable.as_deref()).trim_start());
                }
            }
            error => eprintln!("dynamo-host: {error}"),
        }
    }
}

fn note(variable: Option<&str>) -> String {
    match variable {
        Some(name) => format!("\nThe value is that of the variable {name}."),
        None => String::new(),
    }
}
