//! `dynamo-host plugin`: for those who make plugins, those who hand them out, and those who decide
//! which may run.

mod carry;
mod compile;
mod inspect;
mod new;
mod progress;
mod push;
mod sign;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::check::CheckArguments;

/// Makes, checks, signs and hands out plugins.
#[derive(Debug, Parser)]
#[command(name = "dynamo-host plugin", max_term_width = 100)]
struct PluginCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    New(new::NewArguments),
    Inspect(inspect::InspectArguments),
    Check(CheckArguments),
    Compile(compile::CompileArguments),
    Keygen(sign::KeygenArguments),
    Sign(sign::SignArguments),
    Verify(sign::VerifyArguments),
    /// Puts a plugin into an object store, and every host that serves it from there rolls over.
    Push(push::Push),
    /// Puts case files into a plugin, which a host then holds it to before it serves.
    Carry(carry::Carry),
}

/// What could not be done. The message says what to do about it.
type Failed = Box<dyn std::error::Error>;

/// Does what `words` (`dynamo-host plugin ...`) ask for.
pub(super) fn run(words: &[String]) -> ExitCode {
    let command = PluginCommand::parse_from(words.iter().skip(1));
    let done = match command.what {
        What::Check(arguments) => return super::check::check(arguments),
        What::New(arguments) => new::run(&arguments),
        What::Inspect(arguments) => inspect::run(&arguments),
        What::Compile(arguments) => compile::run(&arguments),
        What::Keygen(arguments) => sign::keygen(&arguments),
        What::Sign(arguments) => sign::sign(&arguments),
        What::Verify(arguments) => sign::verify(&arguments),
        What::Push(push) => push.run().map(say),
        What::Carry(carry) => carry.run().map(say),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dynamo-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(said: String) {
    println!("{said}");
}
