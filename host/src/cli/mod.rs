//! The command line.

mod arguments;
mod check;
mod split;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use arguments::Arguments;

/// What the operator asked for.
pub enum Invocation {
    /// Serve a worker.
    Serve(Box<Arguments>),
    /// Something else, which has been done.
    Done(ExitCode),
}

/// Reads the command line and the environment; runs what is not serving. Bad usage ends the process
/// with clap's message and exit code 2, before anything is started.
pub fn parse(words: impl IntoIterator<Item = String>) -> Invocation {
    let words: Vec<String> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| word == "check") {
        return Invocation::Done(check::run(&words));
    }
    let command = Arguments::command();
    let split::Words { host, engine } = split::split(&command, words);
    let matches = command.get_matches_from(host);
    match Arguments::from_arg_matches(&matches) {
        Ok(mut arguments) => {
            arguments.engine_arguments = engine;
            Invocation::Serve(Box::new(arguments))
        }
        Err(error) => error.exit(),
    }
}
