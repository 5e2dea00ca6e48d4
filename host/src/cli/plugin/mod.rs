//! `dynamo-host plugin`: what is done with a plugin before a host serves it.

mod carry;
mod push;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Hands a plugin out.
#[derive(Debug, Parser)]
#[command(name = "dynamo-host plugin", max_term_width = 100)]
struct PluginCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Puts a plugin into an object store, and every host that serves it from there rolls over.
    Push(push::Push),
    /// Puts case files into a plugin, which a host then holds it to before it serves.
    Carry(carry::Carry),
}

/// Does what `words` (`dynamo-host plugin ...`) ask for.
pub(super) fn run(words: &[String]) -> ExitCode {
    let command = PluginCommand::parse_from(words.iter().skip(1));
    let done = match command.what {
        What::Push(push) => push.run(),
        What::Carry(carry) => carry.run(),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dynamo-host: {error}");
            ExitCode::FAILURE
        }
    }
}
