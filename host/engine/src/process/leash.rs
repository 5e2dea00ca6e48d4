//! Ties a child's life to its parent's: the one place of this crate that needs `unsafe`.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// The child that `command` starts is killed when the thread that started it ends.
pub(super) fn die_with_this_thread(command: &mut Command) {
    let parent = getpid();
    let set = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the signal was set.
        if getppid() != Some(parent) {
            return Err(io::Error::from(rustix::io::Errno::SRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe code may run. The closure makes two
    // system calls through rustix, does not allocate (an error is a number), takes no lock, and
    // touches no memory but its own copy of `parent`.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(set);
    }
}
