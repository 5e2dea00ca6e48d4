//! The host's side of a running engine.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::output::{LastLines, Output};
use super::words::{News, Order};
use super::{Command, Guard, StartError, guard};

/// An engine that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    guard: tokio::process::Child,
    leader: Pid,
    orders: OwnedWriteHalf,
    news: Lines<BufReader<OwnedReadHalf>>,
    output: Output,
}

/// How an engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Its first process ended so.
    Status(ExitStatus),
    /// Its guard was killed, and it with it.
    WithItsGuard,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Status(status) => status.fmt(f),
            Exit::WithItsGuard => f.write_str("the process that guards it was killed"),
        }
    }
}

impl Child {
    /// Starts the engine. That it runs does not mean that it is ready.
    pub(crate) async fn start(command: &Command, guard: &Guard) -> Result<Self, StartError> {
        let program = command.program.first().ok_or(StartError::NoProgram)?;
        let failed = |error: io::Error| StartError::Guard { why: error.to_string() };

        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let ours = tokio::net::UnixStream::from_std(ours).map_err(failed)?;
        let mut guard = tokio::process::Command::new(&guard.0)
            // A name of its own in `ps`; it has the engine's command line after it.
            .arg0("engine-guard")
            .arg(guard::WORD)
            .args(&command.program)
            .args(&command.arguments)
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for the host alone, which stops the engine in its time.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut output = Output::default();
        if let Some(pipe) = guard.stdout.take() {
            output.follow(pipe);
        }
        if let Some(pipe) = guard.stderr.take() {
            output.follow(pipe);
        }
        let (news, orders) = ours.into_split();
        let mut news = BufReader::new(news).lines();
        let leader = match next(&mut news).await {
            Some(News::Started(leader)) => leader,
            Some(News::Failed(number)) => {
                let error = io::Error::from_raw_os_error(number);
                let program = program.clone();
                return Err(match error.kind() {
                    io::ErrorKind::NotFound => StartError::NotFound { program },
                    _ => StartError::NotRun { program, why: error.to_string() },
                });
            }
            Some(News::Exited(_)) | None => {
                output.end().await;
                let said = output.last().get().join("; ");
                let why = format!(
                    "it said nothing of the engine; a program that starts engines begins its \
                     `main` with `run_guard_if_asked()` ({said})"
                );
                return Err(StartError::Guard { why });
            }
        };
        tracing::info!(pid = %leader.as_raw_nonzero(), program, "started the engine");
        Ok(Child { guard, leader, orders, news, output })
    }

    /// Resolves as soon as the engine's first process has ended. What it left may still be there.
    /// Dropping the future loses nothing.
    pub(crate) async fn exited(&mut self) -> Exit {
        loop {
            match next(&mut self.news).await {
                Some(News::Exited(status)) => return Exit::Status(ExitStatus::from_raw(status)),
                Some(News::Started(_) | News::Failed(_)) => {}
                None => {
                    // No such group is as well.
                    let _ = kill_process_group(self.leader, Signal::KILL);
                    return Exit::WithItsGuard;
                }
            }
        }
    }

    /// Resolves when nothing of the engine is left and all it wrote was read.
    pub(crate) async fn gone(&mut self) {
        if let Err(error) = self.guard.wait().await {
            tracing::warn!(%error, "cannot wait for the process that guards the engine");
        }
        self.output.end().await;
    }

    /// Asks the engine's first process to end (SIGTERM): SGLang's server then ends its schedulers.
    pub(crate) fn terminate(&self) {
        self.order(Order::Terminate);
    }

    /// Kills everything of the engine.
    pub(crate) fn kill(&self) {
        self.order(Order::Kill);
    }

    /// The last lines it wrote, while they come and after.
    pub(crate) fn last_lines(&self) -> LastLines {
        self.output.last()
    }

    fn order(&self, order: Order) {
        // Two short words never fill a socket; if it is closed, the engine has ended.
        let _ = self.orders.try_write(format!("{order}\n").as_bytes());
    }
}

/// The guard's next word; none when it is gone.
async fn next(news: &mut Lines<BufReader<OwnedReadHalf>>) -> Option<News> {
    while let Ok(Some(line)) = news.next_line().await {
        match line.parse() {
            Ok(news) => return Some(news),
            Err(error) => tracing::warn!(%error),
        }
    }
    None
}
