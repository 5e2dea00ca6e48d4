//! The command line.
//!
//! [`resolve`] makes a configuration of words and variables; [`parse`] does so for this process.

mod arguments;
mod check;
mod choice;
mod disagg_config;
mod dump;
mod engine_words;
mod environment;
mod error;
mod export;
mod flags;
pub(crate) mod health_check;
mod plugin;
mod resolve;
mod router;
mod rules;
mod structural_tag;
mod words;

use std::process::ExitCode;

pub use arguments::Arguments;
pub use choice::WorkerType;
pub use disagg_config::DisaggConfigError;
pub(crate) use engine_words::EngineWords;
pub use environment::Environment;
pub use error::UsageError;
pub use export::Exports;
pub use flags::{
    EngineFlags, Flags, FrontendFlags, Granted, MediaFlags, OfPlugin, PluginFlags, RouterFlags,
    RuntimeFlags, TlsFlags, WorkerFlags,
};
pub use health_check::HealthCheckError;
pub use resolve::resolve;
pub use structural_tag::{Guidance, StructuralTag};

/// What the operator asked for.
pub enum Invocation {
    /// Serve a worker.
    Serve(Box<Arguments>),
    /// Something else, which has been done.
    Done(ExitCode),
}

/// Reads the command line and the environment; runs what is not serving. Bad usage is told, and is
/// exit code 2, before anything is started.
pub fn parse(words: impl IntoIterator<Item = String>) -> Invocation {
    let words: Vec<String> = words.into_iter().collect();
    match words.get(1).map(String::as_str) {
        Some("check") => return Invocation::Done(check::run(&words)),
        Some("plugin") => return Invocation::Done(plugin::run(&words)),
        _ => {}
    }
    if words.get(1).is_some_and(|word| word == "plugin") {
        return Invocation::Done(plugin::run(&words));
    }
    match serve(words) {
        Ok(arguments) => Invocation::Serve(Box::new(arguments)),
        Err(error) => {
            error.print();
            Invocation::Done(error.exit_code().into())
        }
    }
}

fn serve(words: Vec<String>) -> Result<Arguments, UsageError> {
    let arguments = resolve(words, &Environment::of_this_process())?;
    if !arguments.exports.0.is_empty() {
        // Whoever comes after makes its own.
        arguments.remove_files();
        arguments.exports.apply().map_err(UsageError::Restart)?;
    }
    dump::write(&arguments)?;
    Ok(arguments)
}
