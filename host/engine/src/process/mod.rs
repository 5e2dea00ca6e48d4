//! The engine as a child that cannot outlive us.
//!
//! # Why a guard
//!
//! An engine is a tree of processes (SGLang: a server, a scheduler for each GPU, a detokenizer), it
//! holds GPUs and ports, and it must go when the host goes, also when the host is killed with
//! SIGKILL and can do nothing any more. What the kernel offers falls short: a parent-death signal
//! reaches the direct child only, and fires when the *thread* that forked ends; a process group
//! has to be killed by somebody.
//!
//! So between the host and the engine stands a guard: the host's own program, started again with a
//! word that [`run_guard_if_asked`] recognizes (one thread, some 3 MB):
//!
//! ```text
//! host ==socket== guard (own process group)
//!                   `-- engine (own process group: server, schedulers, ...)
//! ```
//!
//! * The socket is the guard's standard input. The host sends orders over it and hears of the
//!   engine's start and end. When the host dies, however it dies, the kernel closes the socket,
//!   and the guard kills the engine's group.
//! * The guard adopts orphans of the engine (it is a "child subreaper"). After the engine's end it
//!   kills and reaps whatever the engine left, and only then exits. So when the host has seen the
//!   guard exit, ports and GPUs are free, and a restart does not meet its own past.
//! * Should the guard be killed, the engine's first process gets a parent-death signal, and the
//!   host, if it lives, kills the group.
//! * SIGTERM, SIGINT, SIGHUP and SIGQUIT do not end the guard: systemd and terminals send them to
//!   everyone at once, and the engine is to stop when the host has drained, not before.
//!
//! Linux only, as `prctl` is.

mod child;
mod guard;
mod leash;
mod output;
mod words;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use child::Child;
pub use guard::run_guard_if_asked;
pub(crate) use output::LastLines;

/// What to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program and its first words. The program is looked up in `PATH` unless it has a `/`.
    pub program: Vec<String>,
    /// The words after it.
    pub arguments: Vec<String>,
    /// Added to the environment the host was started with.
    pub environment: Vec<(String, String)>,
}

/// Where the guard's program is; its `main` must begin with [`run_guard_if_asked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard(pub PathBuf);

impl Default for Guard {
    /// The running program itself, also if its file has been replaced since.
    fn default() -> Self {
        Guard(PathBuf::from("/proc/self/exe"))
    }
}

/// A port on the loopback interface that is free now, for an engine to listen on.
///
/// Between now and then somebody else may take it; the engine then ends with its own error, or
/// [`StartError::PortInUse`] tells.
///
/// # Errors
/// The system has none left.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// An engine that did not come up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no program to run.
    #[error("the engine's command is empty")]
    NoProgram,
    /// There is no such program.
    #[error(
        "cannot start the engine: there is no program `{program}` (or the interpreter it names); \
         is it installed, and on PATH? --engine-command names another"
    )]
    NotFound {
        /// The program.
        program: String,
    },
    /// The program is there and does not run.
    #[error("cannot start the engine: `{program}` does not run: {why}")]
    NotRun {
        /// The program.
        program: String,
        /// What the system said.
        why: String,
    },
    /// The process that guards the engine failed.
    #[error("cannot start the process that guards the engine: {why}")]
    Guard {
        /// What went wrong.
        why: String,
    },
    /// Something answers where the engine was to listen.
    #[error(
        "cannot start the engine: something else listens on {address} already; stop it, choose \
         another port, or attach to it with --engine-url"
    )]
    PortInUse {
        /// `host:port`.
        address: String,
    },
    /// The engine ended while it was starting.
    #[error("the engine ended before it was ready ({exit}){}", last(last_lines))]
    Exited {
        /// How it ended.
        exit: String,
        /// The last lines it wrote, oldest first.
        last_lines: Vec<String>,
    },
    /// The engine did not become ready in the time it had.
    #[error(
        "the engine at {address} was not ready after {} s: {why}; --engine-start-timeout gives \
         it longer{}",
        after.as_secs_f32(), last(last_lines)
    )]
    NeverReady {
        /// `host:port`.
        address: String,
        /// The time it had.
        after: Duration,
        /// What the last probe found.
        why: String,
        /// The last lines it wrote, oldest first; none of an engine we did not start.
        last_lines: Vec<String>,
    },
    /// The host stopped it.
    #[error("the engine was stopped")]
    Stopped,
}

/// The engine's last lines, below a message.
fn last(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("; its last lines:\n  | {}", lines.join("\n  | "))
}
