//! `dynamo-host plugin push`.

use std::error::Error;
use std::io;

use clap::Args;
use dynamo_host_plane::{Object, ObjectAddress, logging};
use dynamo_host_plugin::{Artifact, Grant, Grants, Limits, Plugin, Runtime, SIGNATURE_SUFFIX};

use crate::locate;

/// Puts a plugin into a JetStream object store on NATS_SERVER (NATS_AUTH_* and NATS_TLS_* as for
/// Dynamo), and every host that serves it from there rolls over.
///
/// The plugin is compiled first: what no host could load is not put. The signature beside it goes along.
#[derive(Args, Debug)]
pub(super) struct Push {
    /// The plugin: a component file, or a name as for serving.
    #[arg(value_name = "FILE")]
    plugin: String,

    /// Where it goes: nats://BUCKET/NAME. A bucket that is not there is made.
    #[arg(value_name = "ADDRESS")]
    address: ObjectAddress,
}

/// A compilation needs an instance to ask the plugin for its name.
const INSTANCES: u32 = 1;

impl Push {
    /// Says what is where now.
    pub(super) fn run(self) -> Result<String, Box<dyn Error>> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.push())
    }

    async fn push(self) -> Result<String, Box<dyn Error>> {
        logging::init();
        let artifact = Artifact::read(&locate::plugin(&self.plugin)?).await?;
        let runtime = Runtime::new(Limits { instances: INSTANCES, ..Limits::default() })?;
        let plugin = Plugin::load(&runtime, &artifact, &Grants::only(Grant::ALL)).await?;
        let object = Object::connect(self.address).await?;
        if let Some(signature) = artifact.signature() {
            // First: hosts look for it when the plugin is news.
            object.beside(SIGNATURE_SUFFIX).put(signature).await?;
        }
        object.put(artifact.bytes()).await?;
        // Another one may have been put at the same time, and then this one is not what hosts get.
        if object.get().await? != **artifact.bytes() {
            return Err(
                io::Error::other(format!("{} is another one by now", object.address())).into()
            );
        }
        let manifest = plugin.manifest();
        Ok(format!(
            "{} {} (sha256:{}) is at {}",
            manifest.name,
            manifest.version,
            artifact.digest(),
            object.address()
        ))
    }
}
