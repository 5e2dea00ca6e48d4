//! The cases a new version is held to: those it carries, and those the operator gives.

use std::path::PathBuf;
use std::thread;

use dynamo_host_check as check;
use dynamo_host_plugin::{Artifact, Plugin, give_way};
use tokio::sync::oneshot;

/// A new version does not do what its cases say.
#[derive(Debug, thiserror::Error)]
pub enum CasesFailed {
    /// Some come out otherwise.
    #[error("{failed} of its {all} cases fail; the first: {first}")]
    Differ {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// The first that fails, and in what.
        first: String,
    },
    /// They could not be run.
    #[error("its cases cannot be run: {0}")]
    NotRun(String),
}

/// Runs the cases on a thread of their own, which gives way to what serves.
pub(super) async fn check(
    plugin: &Plugin,
    artifact: &Artifact,
    given: &[PathBuf],
) -> Result<(), CasesFailed> {
    let (plugin, bytes, given) = (plugin.twin(), artifact.bytes().clone(), given.to_vec());
    let (done, result) = oneshot::channel();
    let not_run = |why: &dyn std::fmt::Display| CasesFailed::NotRun(why.to_string());
    thread::Builder::new()
        .name("plugin-cases".into())
        .spawn(move || {
            give_way();
            // Whoever waited may have gone.
            let _ = done.send(check::try_out(plugin, &bytes, &given));
        })
        .map_err(|error| not_run(&error))?;
    let tried = result.await.map_err(|error| not_run(&error))?.map_err(|error| not_run(&error))?;
    match tried.failed.first() {
        None => {
            tracing::info!("{} cases pass", tried.passed);
            Ok(())
        }
        Some(first) => Err(CasesFailed::Differ {
            failed: tried.failed.len(),
            all: tried.failed.len() + tried.passed,
            first: first.clone(),
        }),
    }
}
