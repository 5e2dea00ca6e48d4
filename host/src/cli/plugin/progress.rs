//! What a person sees while something takes long.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Does `work`, with a line on the terminal that says `doing` and for how long. Without a terminal
/// nothing is shown.
pub(super) fn while_doing<T>(doing: String, work: impl FnOnce() -> T) -> T {
    let line = ProgressBar::new_spinner().with_message(doing);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(100));
    let done = work();
    line.finish_and_clear();
    done
}
