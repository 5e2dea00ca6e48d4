//! `dynamo-host check`: recorded cases against a plugin, for whoever writes one.
//!
//! [`run`] loads a plugin once and takes every case file through [`Runner`](runner): the real plugin
//! runtime and the real way of a request (`dynamo-host-request`), in front of an engine that answers
//! from the case ([`script`]). No process is started and nothing is drawn or timed, so a case comes
//! out the same each time. [`verdict`] holds what came against what the case expects, by the rules
//! of [`compare`].
//!
//! The format of case files is documented beside the cases, in `tests/cases/README.md`; [`case`] is
//! its form.

mod case;
mod compare;
mod files;
mod runner;
mod script;
mod values;
mod verdict;

use std::io::{self, Write};
use std::path::PathBuf;

use dynamo_host_plugin::{Grant, Grants, Limits, LoadError, Plugin, Runtime, RuntimeError};

use case::Case;
use runner::Runner;

/// What to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Case files, and folders that hold them at any depth.
    pub cases: Vec<PathBuf>,
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Came out as they should.
    pub passed: usize,
    /// Did not, or could not be read.
    pub failed: usize,
}

impl Summary {
    /// Whether there were cases and all of them passed.
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// The check could not be done.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no runtime for plugins on this machine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The results cannot be written, or the system refuses a thread.
    #[error("cannot run the check: {0}")]
    Io(#[from] io::Error),
}

/// Cases run one after another; a case needs one instance at a time.
const INSTANCES: u32 = 16;

/// Differences shown of one case. What follows is mostly more of the same.
const SHOWN: usize = 20;

/// Runs all cases, writes a line for each to `out`, the differences below those that failed, and at
/// the end a line `N passed, N failed`.
///
/// The plugin is granted every import a host can grant: there is nothing here it could harm. Blocks;
/// must not be called from within an asynchronous runtime.
///
/// # Errors
/// [`CheckError`] if it cannot be done at all. Cases that fail or cannot be read are no error.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Summary, CheckError> {
    // One thread: tasks then run in the same order each time.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(check(options, out))
}

async fn check(options: &Options, out: &mut dyn Write) -> Result<Summary, CheckError> {
    let runtime = Runtime::new(Limits { instances: INSTANCES, ..Limits::default() })?;
    let plugin = Plugin::load(&runtime, &options.plugin, &Grants::only(Grant::ALL)).await?;
    let runner = Runner::new(plugin);
    let mut summary = Summary::default();
    for found in files::find(&options.cases) {
        let (name, problems) = match found {
            Err(error) => (error.path.display().to_string(), vec![error.to_string()]),
            Ok(path) => match Case::load(&path) {
                Err(error) => (path.display().to_string(), vec![error.to_string()]),
                Ok(case) => {
                    let found = runner.run(&case).await;
                    let mut problems: Vec<_> = found.iter().map(ToString::to_string).collect();
                    if !problems.is_empty() {
                        problems.insert(0, format!("in {}", path.display()));
                    }
                    (case.name, problems)
                }
            },
        };
        if problems.is_empty() {
            summary.passed += 1;
            writeln!(out, "ok {name}")?;
            continue;
        }
        summary.failed += 1;
        writeln!(out, "FAIL {name}")?;
        for problem in problems.iter().take(SHOWN) {
            writeln!(out, "     {problem}")?;
        }
        if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(out, "     and {more} more")?;
        }
    }
    if summary == Summary::default() {
        writeln!(out, "no case file (*.json) found")?;
    }
    writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
    Ok(summary)
}
