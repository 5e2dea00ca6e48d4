//! The guard's side; see the [module's documentation](super) for what it is for.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, wait,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::signal::unix::{SignalKind, signal};

use super::leash;
use super::words::{News, Order};

/// The first argument of a guard.
pub(super) const WORD: &str = "__engine-guard";

/// Runs the guard and does not return, if that is what this process was started for.
///
/// Call it first in `main`, before threads, a runtime or the command line: the host starts its own
/// program again to guard the engine.
pub fn run_guard_if_asked() {
    let mut words = std::env::args_os().skip(1);
    if words.next().as_deref() != Some(OsStr::new(WORD)) {
        return;
    }
    let engine: Vec<OsString> = words.collect();
    // The current thread runs everything, so that it is this thread that starts the engine and
    // that the engine dies with.
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(guard(&engine)));
    if let Err(error) = &ended {
        eprintln!("the engine's guard failed: {error}");
    }
    std::process::exit(i32::from(ended.is_err()));
}

async fn guard(engine: &[OsString]) -> io::Result<()> {
    // A copy, closed on exec: the engine must not hold the socket open.
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let (orders, mut host) = tokio::net::UnixStream::from_std(socket)?.into_split();
    let mut orders = BufReader::new(orders).lines();
    let mut ended = signal(SignalKind::child())?;
    // Nobody listens to them: having a handler is what keeps them from ending us.
    let _ignored = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::quit())?,
    ];
    set_child_subreaper(Some(getpid()))?;

    let leader = match start(engine) {
        Ok(leader) => leader,
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(0);
            return host.write_all(format!("{}\n", News::Failed(number)).as_bytes()).await;
        }
    };
    let mut host_lives = tell(&mut host, News::Started(leader)).await;
    let status = loop {
        tokio::select! {
            _ = ended.recv() => if let Some(status) = reap(leader) {
                break status;
            },
            order = orders.next_line(), if host_lives => match order {
                Ok(Some(order)) => match order.parse() {
                    // It may have ended just now, which is as well.
                    Ok(Order::Terminate) => _ = kill_process(leader, Signal::TERM),
                    Ok(Order::Kill) => kill(leader),
                    Err(error) => eprintln!("{error}"),
                },
                Ok(None) | Err(_) => {
                    host_lives = false;
                    kill(leader);
                }
            },
        }
    };
    tell(&mut host, News::Exited(status)).await;
    // Its number still names the group as long as anyone is in it.
    let _ = kill_process_group(leader, Signal::KILL);
    sweep();
    Ok(())
}

fn start(engine: &[OsString]) -> io::Result<Pid> {
    let (program, arguments) =
        engine.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    leash::die_with_this_thread(&mut command);
    Ok(Pid::from_child(&command.spawn()?))
}

/// Whether the host heard it.
async fn tell(host: &mut tokio::net::unix::OwnedWriteHalf, news: News) -> bool {
    host.write_all(format!("{news}\n").as_bytes()).await.is_ok()
}

fn kill(leader: Pid) {
    // Neither need be there any more. The leader may have left the group it was given.
    let _ = kill_process_group(leader, Signal::KILL);
    let _ = kill_process(leader, Signal::KILL);
}

/// Reaps what has ended: the leader, whose wait status this gives, and adopted orphans.
fn reap(leader: Pid) -> Option<i32> {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == leader {
            return Some(status.as_raw());
        }
    }
    None
}

/// Kills and reaps all that the engine left, also what had moved to a process group of its own:
/// being orphans, they are all our children by now, or will be when their parent here is killed.
fn sweep() {
    loop {
        let left = children();
        if left.is_empty() {
            return;
        }
        for child in left {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = wait(WaitOptions::empty());
    }
}

/// The processes that are our children; none where the kernel does not tell.
fn children() -> Vec<Pid> {
    let pid = getpid().as_raw_nonzero();
    let listed = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let numbers = listed.unwrap_or_default();
    numbers.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
}
