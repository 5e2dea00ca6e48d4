//! Compiling ahead of time.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use dynamo_host_plugin::{Artifact, Cache, Limits, Plugin, Runtime};

use super::{Failed, progress};
use crate::locate;

/// Compiles plugins, so that a host of this user starts with them at once.
#[derive(Debug, Args)]
pub(super) struct CompileArguments {
    /// Where compiled plugins are kept. Default: dynamo-host/plugins in the user's cache folder.
    #[arg(long, env = "DYN_HOST_PLUGIN_CACHE", value_name = "FOLDER")]
    plugin_cache: Option<PathBuf>,

    /// Component files, or names as for serving.
    #[arg(required = true)]
    plugins: Vec<String>,
}

pub(super) fn run(arguments: &CompileArguments) -> Result<(), Failed> {
    let folder = arguments.plugin_cache.clone().or_else(Cache::usual_path);
    let folder =
        folder.ok_or("there is no folder for compiled plugins: set HOME or --plugin-cache")?;
    // The host's own settings, on which the compiled code depends.
    let runtime = Runtime::new(Limits::default())?.with_cache(Cache::open(&folder)?);
    let tokio = tokio::runtime::Builder::new_current_thread().build()?;
    for name in &arguments.plugins {
        let path = locate::plugin(name)?;
        let artifact = tokio.block_on(Artifact::read(&path))?;
        let start = Instant::now();
        progress::while_doing(format!("compiling {}", path.display()), || {
            Plugin::compile(&runtime, &artifact)
        })?;
        println!("{}: compiled in {:.2} s", path.display(), start.elapsed().as_secs_f64());
    }
    Ok(())
}
