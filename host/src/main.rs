//! The program: reads the command line, then serves until told to stop.

use std::process::ExitCode;

use dynamo_host::cli::{self, Invocation};
use dynamo_host::{engine, host, plane};
use tikv_jemallocator::Jemalloc;

/// Not the C library's: after a burst of streams that one searches long lists for each larger piece,
/// such as the call of a long prompt.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    // This program guards the engine, too: started as a guard, it is nothing else.
    engine::process::run_guard_if_asked();
    let arguments = match cli::parse(std::env::args()) {
        Invocation::Serve(arguments) => arguments,
        Invocation::Done(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("dynamo-host: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        plane::logging::init();
        for warning in &arguments.warnings {
            tracing::warn!("{warning}");
        }
        match host::run(*arguments).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Said once: by the log, or where the operator has turned that off, without it.
                if tracing::enabled!(tracing::Level::ERROR) {
                    tracing::error!("{error}");
                } else {
                    eprintln!("dynamo-host: {error}");
                }
                ExitCode::FAILURE
            }
        }
    })
}
