//! The host's log. Using it makes the component import `dynamo:worker/log`.

pub use crate::bindings::dynamo::worker::log::Level;

/// Writes one message; costs nothing beyond a question to the host if its level is off.
pub fn write(level: Level, message: std::fmt::Arguments<'_>) {
    #[cfg(target_family = "wasm")]
    if crate::bindings::dynamo::worker::log::enabled(level) {
        crate::bindings::dynamo::worker::log::write(level, &message.to_string());
    }
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?} {message}");
}

/// Logs a warning.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, format_args!($($message)+)) };
}

/// Logs a message an operator wants to see once.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, format_args!($($message)+)) };
}

/// Logs what only someone looking for a fault wants to see.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, format_args!($($message)+)) };
}
