//! The host's own flags, grouped as `--help` shows them.
//!
//! Where Dynamo's SGLang backend has a flag, its name, variable, default and meaning are the same
//! here: those of its reference page, and those of release 1.6.1 (`dynamo.sglang.backend_args`,
//! `dynamo.common.configuration.groups.runtime_args`). Every switch has a `--no-` form.

mod engine;
mod frontend;
mod media;
mod parsers;
mod plugin;
mod router;
mod runtime;
mod tls;
mod values;
mod worker;

use clap::Parser;

pub use engine::EngineFlags;
pub use frontend::FrontendFlags;
pub use media::MediaFlags;
pub use plugin::{Granted, OfPlugin, PluginFlags};
pub use router::{ConditionalPolicy, KvRouterFlags, RouterFlags};
pub use runtime::{NAMESPACE, RuntimeFlags};
pub use tls::TlsFlags;
pub use worker::WorkerFlags;

/// Below all flags in `--help`.
const AFTER_HELP: &str = "\
The engine's flags:
  Whatever is not listed here goes to the engine as it is and in its order, and so does everything
  after `--`. To see what the engine takes, ask it: for the SGLang workers that is
  `python3 -m sglang.launch_server --help`.

Switches and variables:
  Each switch has a form that turns it off, such as --no-embedding-worker. The command line wins
  over a variable, and a variable over the default; an empty variable counts as none. For switches
  1, true, yes and on mean on, anything else off.

`dynamo-host plugin --help` tells about making, checking, signing and handing out plugins.";

/// Serve a model as a worker of NVIDIA Dynamo: a plugin shapes the requests, an engine in a process
/// of its own answers them.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "dynamo-host",
    version,
    max_term_width = 100,
    args_override_self = true,
    override_usage = "dynamo-host --model-path MODEL [FLAGS] [ENGINE FLAGS]",
    after_help = AFTER_HELP
)]
pub struct Flags {
    /// What is served.
    #[command(flatten)]
    pub worker: WorkerFlags,
    /// The plugins that serve it.
    #[command(flatten)]
    pub plugin: PluginFlags,
    /// The engine's process.
    #[command(flatten)]
    pub engine: EngineFlags,
    /// What the frontend is told, and does, for this worker.
    #[command(flatten)]
    pub frontend: FrontendFlags,
    /// Images, videos and their encoders.
    #[command(flatten)]
    pub media: MediaFlags,
    /// How the frontend routes to the worker.
    #[command(flatten)]
    pub router: RouterFlags,
    /// The worker's place in Dynamo.
    #[command(flatten)]
    pub runtime: RuntimeFlags,
    /// Keys and certificates.
    #[command(flatten)]
    pub tls: TlsFlags,
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, CommandFactory};

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Flags::command().debug_assert();
    }

    #[test]
    fn every_flag_stands_under_a_heading_and_has_a_variable() {
        for flag in Flags::command().get_arguments() {
            let name = flag.get_id();
            assert!(flag.get_help_heading().is_some(), "{name} has no heading");
            assert!(flag.get_env().is_some(), "{name} has no variable");
            assert!(flag.get_long().is_some(), "{name} has no name");
        }
    }

    #[test]
    fn switches_have_one_of_two_shapes() {
        // `words` knows how to turn off a flag that is off by default, and the reverse.
        for flag in Flags::command().get_arguments() {
            let negative = flag.get_long().is_some_and(|name| name.starts_with("no-"));
            let off = matches!(flag.get_action(), ArgAction::SetFalse);
            assert_eq!(negative, off, "{}", flag.get_id());
        }
    }
}
