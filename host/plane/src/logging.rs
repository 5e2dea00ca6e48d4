//! Logs in Dynamo's format, under Dynamo's variables.

/// Installs the process-wide log: human-readable lines, or JSON with trace ids under
/// `DYN_LOGGING_JSONL=true`; levels from `DYN_LOG` (`info`, `debug,my_crate=trace`, ...); export to
/// OpenTelemetry under `OTEL_EXPORT_ENABLED`. A second call does nothing.
///
/// Ends the process with a message if the variables make no sense, as every Dynamo process does.
pub fn init() {
    dynamo_runtime::logging::init();
}
