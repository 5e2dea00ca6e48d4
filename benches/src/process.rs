//! A worker that is compared: a process, what it has used, and its end.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::error::BenchError;
use crate::load::Load;

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
    /// Starts `command` and waits until it answers. It ends with this value.
    pub async fn start(
        name: &'static str,
        mut command: Command,
        logs: &Path,
        load: &Load,
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
            if load.respond(&subject, 1, false).await.is_ok() {
                return Ok(subject);
            }
            if began.elapsed() > PATIENCE || subject.process.try_wait()?.is_some() {
                return Err(not_serving());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
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

    /// Memory it has at the moment, in bytes.
    pub fn resident(&self) -> Result<usize, BenchError> {
        let pages = fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
        Ok(resident.unwrap_or(0) * 4096)
    }

    /// Asks it to end, and waits.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        self.process.kill().await?;
        Ok(())
    }
}

/// Where the worker of this name serves.
pub fn endpoint(name: &str) -> String {
    format!("dyn://{name}.backend.generate")
}
