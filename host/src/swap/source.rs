//! Where a plugin comes from, and the news that something else is there.

use std::fmt;
use std::path::PathBuf;

use dynamo_host_plane::{InvalidAddress, Object, ObjectAddress, ObjectError};
use dynamo_host_plugin::{Artifact, LoadError, SIGNATURE_SUFFIX};

use super::file::Watched;
use super::object::Followed;
use crate::locate::{self, NoSuchPlugin};

/// Where one plugin comes from.
#[derive(Debug)]
pub enum Source {
    /// A file, which is looked at from time to time.
    File(Watched),
    /// An object in a store, which says when it changes.
    Object(Box<Followed>),
}

/// A plugin that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No plugin of that name.
    #[error(transparent)]
    NoSuchPlugin(#[from] NoSuchPlugin),
    /// No address of an object.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The store does not give it.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] LoadError),
}

impl Source {
    /// The source that `plugin`, a value of `--plugin`, means. What changes from now on is news.
    ///
    /// # Errors
    /// There is no such plugin, or the store cannot be reached.
    pub async fn find(plugin: &str) -> Result<Self, SourceError> {
        if ObjectAddress::is_meant(plugin) {
            let object = Object::connect(plugin.parse()?).await?;
            return Ok(Source::Object(Box::new(Followed::new(object).await?)));
        }
        Ok(Source::File(Watched::new(locate::plugin(plugin)?).await))
    }

    /// What is there now.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn fetch(&self) -> Result<Artifact, SourceError> {
        match self {
            Source::File(file) => Ok(Artifact::read(file.path()).await?),
            Source::Object(followed) => {
                let object = followed.object();
                let origin = PathBuf::from(object.address().to_string());
                let artifact = Artifact::new(origin, object.get().await?);
                // Without one the plugin is unsigned; whether it may be is for its verification.
                let signature = object.beside(SIGNATURE_SUFFIX).get().await.ok();
                Ok(artifact.with_signature(signature.map(Into::into)))
            }
        }
    }

    /// Waits until something else may be there. Nothing is lost if the wait is given up.
    pub async fn changed(&mut self) {
        match self {
            Source::File(file) => file.changed().await,
            Source::Object(object) => object.changed().await,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(file) => file.path().display().fmt(f),
            Source::Object(followed) => followed.object().address().fmt(f),
        }
    }
}
