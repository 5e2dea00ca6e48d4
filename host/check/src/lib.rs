//! `dynamo-host check`: recorded cases against a plugin, for whoever writes one. [`try_out`] is the
//! same for a host that is about to let a plugin serve.
//!
//! [`run`] loads a plugin once and takes every case file through `runner`: the real plugin runtime
//! and the real way of a request (`dynamo-host-request`), in front of an engine that answers from
//! the case (`script`). No process is started and nothing is drawn or timed, so a case comes out the
//! same each time. `verdict` holds what came against what the case expects, by the rules of
//! `compare`.
//!
//! The format of case files is documented beside the cases, in `tests/cases/README.md`; `case` is
//! its form.

mod adapters;
mod carried;
mod case;
mod compare;
mod files;
mod form;
mod media;
mod peers;
mod report;
mod runner;
mod script;
mod service;
mod values;
mod verdict;
pub mod words;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dynamo_host_plugin::{
    Artifact, Cache, Grant, Grants, Limits, LoadError, Plugin, Runtime, RuntimeError,
};

use case::Case;
use report::Report;
use runner::Runner;

pub use carried::{CarriedError, SECTION, carrying};
pub use report::Summary;

/// What to check.
#[derive(Debug)]
pub struct Options {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Case files, and folders that hold them at any depth.
    pub cases: Vec<PathBuf>,
    /// Where compiled plugins are kept. Without, the plugin is compiled for this check alone.
    pub cache: Option<Cache>,
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

/// Runs all cases, writes a line for each to `out`, the differences below those that failed, and at
/// the end a line `N passed, N failed`.
///
/// The plugin is granted every import a host can grant: there is nothing here it could harm. Blocks;
/// must not be called from within an asynchronous runtime.
///
/// # Errors
/// [`CheckError`] if it cannot be done at all. Cases that fail or cannot be read are no error.
pub fn run(options: Options, out: &mut dyn Write) -> Result<Summary, CheckError> {
    // One thread: tasks then run in the same order each time.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(check(options, out))
}

async fn check(options: Options, out: &mut dyn Write) -> Result<Summary, CheckError> {
    let runtime = Runtime::new(Limits { instances: INSTANCES, ..Limits::default() })?
        .with_cache(options.cache);
    let component = Artifact::read(&options.plugin).await?;
    let plugin = Plugin::load(&runtime, &component, &Grants::only(Grant::ALL)).await?;
    let runner = Runner::new(plugin);
    let mut report = Report::new(out);
    for found in files::find(&options.cases) {
        match found {
            Ok(path) => match Case::load(&path) {
                Ok(case) => report.case(&case.name, &problems(&runner, &case, &path).await)?,
                Err(error) => report.case(&path.display().to_string(), &[error.to_string()])?,
            },
            Err(error) => report.case(&error.path.display().to_string(), &[error.to_string()])?,
        }
    }
    Ok(report.end()?)
}

/// How cases came out.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// How many came out as they should.
    pub passed: usize,
    /// Those that did not, each with its first difference.
    pub failed: Vec<String>,
}

/// Why cases could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum TryError {
    /// The component's own.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// The system refuses what a runtime needs.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the cases that `component` carries, and those among `given` (files and folders), against
/// `plugin`, which was loaded from it and is connected to nothing. Blocks; must not be called from
/// within an asynchronous runtime.
///
/// # Errors
/// [`TryError`] if it cannot be done. A given case that cannot be read counts as failed.
pub fn try_out(plugin: Plugin, component: &[u8], given: &[PathBuf]) -> Result<Tried, TryError> {
    let mut tried = Tried::default();
    let mut cases = carried::cases(component)?;
    for found in files::find(given) {
        let loaded = found.map_err(|error| error.to_string());
        match loaded.and_then(|path| Case::load(&path).map_err(|error| error.to_string())) {
            Ok(case) => cases.push(case),
            Err(error) => tried.failed.push(error),
        }
    }
    if cases.is_empty() {
        return Ok(tried);
    }
    let runner = Runner::new(plugin);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        for case in &cases {
            match runner.run(case).await.first() {
                None => tried.passed += 1,
                Some(difference) => tried.failed.push(format!("{}: {difference}", case.name)),
            }
        }
    });
    Ok(tried)
}

/// What is wrong with how `case` comes out, and the file to look into; nothing if it passes.
async fn problems(runner: &Runner, case: &Case, path: &Path) -> Vec<String> {
    let found = runner.run(case).await;
    let place = (!found.is_empty()).then(|| format!("in {}", path.display()));
    place.into_iter().chain(found.iter().map(ToString::to_string)).collect()
}
