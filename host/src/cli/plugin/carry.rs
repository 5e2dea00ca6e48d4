//! `dynamo-host plugin carry`.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use dynamo_host_check as check;

/// Puts case files into a plugin. A host runs those it carries before it lets a new version serve.
#[derive(Args, Debug)]
pub(super) struct Carry {
    /// The plugin: a component file.
    #[arg(value_name = "FILE")]
    plugin: PathBuf,

    /// Case files, and folders that hold them.
    #[arg(required = true)]
    cases: Vec<PathBuf>,

    /// Where the plugin with its cases goes. Default: over the file itself.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Carry {
    /// Says what is where now.
    pub(super) fn run(self) -> Result<String, Box<dyn Error>> {
        let at = |path: &PathBuf| {
            let path = path.display().to_string();
            move |error| format!("{path}: {error}")
        };
        let component = std::fs::read(&self.plugin).map_err(at(&self.plugin))?;
        let carrying = check::carrying(&component, &self.cases)?;
        let output = self.output.unwrap_or(self.plugin);
        std::fs::write(&output, &carrying).map_err(at(&output))?;
        let more = carrying.len() - component.len();
        Ok(format!("{} carries {more} bytes of cases more", output.display()))
    }
}
