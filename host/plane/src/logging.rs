//! Logs in Dynamo's format, under Dynamo's variables.

use std::panic::PanicHookInfo;

use dynamo_runtime::config::{ConsoleLogFormat, console_log_format};

/// Installs the process-wide log: human-readable lines, or JSON with trace ids under
/// `DYN_LOGGING_JSONL=true`; levels from `DYN_LOG` (`info`, `debug,my_crate=trace`, ...); export to
/// OpenTelemetry under `OTEL_EXPORT_ENABLED`. A second call does nothing.
///
/// Ends the process with a message if the variables make no sense, as every Dynamo process does.
pub fn init() {
    dynamo_runtime::logging::init();
    if console_log_format() == ConsoleLogFormat::Jsonl {
        // What reads the log reads JSON, and Rust's own words about a panic are two lines of text.
        std::panic::set_hook(Box::new(report));
    }
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    tracing::error!(target: "panic", thread, "{panic}");
}
