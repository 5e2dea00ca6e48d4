//! What a token costs in `dynamo-host`, beside what it costs in the Python worker it replaces and in
//! the same host without a plugin. `make bench` runs it; README.md says what is compared.

mod engine;
mod error;
mod floor;
mod load;
mod process;
mod report;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;

/// The host's, for the floor.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[derive(Parser)]
#[command(about)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Compares, prints the table and writes the summary.
    Run(Settings),
    /// Serves as the host does, with the plugin's code compiled in: what the sandbox is compared with.
    Floor {
        /// Where the engine is.
        #[arg(long)]
        engine_url: String,
        /// Where to serve.
        #[arg(long)]
        endpoint: String,
    },
}

/// What is compared, and where to write it down.
#[derive(clap::Args)]
struct Settings {
    /// The host.
    #[arg(long)]
    host: PathBuf,
    /// The folder of its plugins.
    #[arg(long)]
    plugins: PathBuf,
    /// A model folder, for its tokenizer.
    #[arg(long)]
    model_path: PathBuf,
    /// A Python that has SGLang.
    #[arg(long)]
    python: PathBuf,
    /// Site packages that have Dynamo.
    #[arg(long)]
    dynamo: PathBuf,
    /// The peer.
    #[arg(long)]
    peer: PathBuf,
    /// Times each figure is taken, each time from one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these figures.
    #[arg(long, value_delimiter = ',')]
    only: Vec<rows::Group>,
    /// Where the figures are written, as JSON.
    #[arg(long)]
    summary: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse().what {
        What::Run(settings) => rows::run(&settings).await,
        What::Floor { engine_url, endpoint } => floor::serve(&engine_url, &endpoint).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
