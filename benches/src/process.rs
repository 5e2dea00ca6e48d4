//! A worker that is compared: a process, what it has used, and its end.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::error::BenchError;

/// How long a worker may take to serve: the peer imports SGLang first.
const PATIENCE: Duration = Duration::from_secs(120);

/// A worker that serves.
pub struct Subject {
    /// What it is called in the table.
    pub name: &'static str,
    /// Where it serves.
    pub endpoint: String,
    process: Child,
    pid: u32,
}

impl Subject {
    /// Starts `command` and waits until it `serves`, looking every `pause`. It ends with this value.
    pub async fn start(
        name: &'static str,
        mut command: Command,
        logs: &Path,
        pause: Duration,
        serves: impl AsyncFn(&Subject) -> bool,
    ) -> Result<Self, BenchError> {
        let log = logs.join(name);
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let process = command.kill_on_drop(true).spawn()?;
        let not_serving = || BenchError::NotServing {
            subject: name.to_owned(),
            log: fs::read_to_string(&log).unwrap_or_default(),
        };
        let Some(pid) = process.id() else { return Err(not_serving()) };
        let mut subject = Subject { name, endpoint: endpoint(name), process, pid };
        let began = tokio::time::Instant::now();
        loop {
            if serves(&subject).await {
                return Ok(subject);
            }
            if began.elapsed() > PATIENCE || subject.process.try_wait()?.is_some() {
                return Err(not_serving());
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Processor time it has used, of all its threads.
    pub fn cpu(&self) -> Result<Duration, BenchError> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end meanwhile.
            if let Ok(times) = fs::read_to_string(thread?.path().join("schedstat")) {
                nanoseconds += times.split(' ').next().and_then(|on| on.parse().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Memory it has at the moment, in bytes: see [`memory`].
    pub fn memory(&self) -> Result<usize, BenchError> {
        memory(self.pid)
    }

    /// Lets [`peak`](Subject::peak) begin anew, with what it has at the moment, in bytes.
    pub fn forget_peak(&self) -> Result<usize, BenchError> {
        fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?;
        self.peak()
    }

    /// The largest resident set it has had, in bytes.
    pub fn peak(&self) -> Result<usize, BenchError> {
        figure(&format!("/proc/{}/status", self.pid), "VmHWM:")
    }

    /// Asks it to end, and waits.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        self.process.kill().await?;
        Ok(())
    }
}

/// Memory a process has at the moment, in bytes, of what it shares with others its part. (The resident
/// set counts a page of a plugin's image once for every instance that has looked at it.)
pub fn memory(pid: u32) -> Result<usize, BenchError> {
    figure(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// A figure in kB that a file of `/proc` has, in bytes.
fn figure(file: &str, name: &str) -> Result<usize, BenchError> {
    let text = fs::read_to_string(file)?;
    let kibibytes: Option<usize> = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    let kibibytes = kibibytes.ok_or_else(|| io::Error::other(format!("no {name} in {file}")))?;
    Ok(kibibytes * 1024)
}

/// Where the worker of this name serves.
pub fn endpoint(name: &str) -> String {
    format!("dyn://{name}.backend.generate")
}
