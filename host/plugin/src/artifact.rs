//! A component before it is a plugin: its bytes, and where they are from.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::LoadError;

/// The bytes of a component, of which nothing is believed yet. Cheap to clone.
#[derive(Clone)]
pub struct Artifact {
    origin: PathBuf,
    bytes: Bytes,
    digest: String,
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact")
            .field("origin", &self.origin)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Artifact {
    /// What was found at `origin`: the path of a file, or the address of an object in a store.
    pub fn new(origin: impl Into<PathBuf>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Artifact { origin: origin.into(), bytes, digest }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`].
    pub async fn read(path: &Path) -> Result<Self, LoadError> {
        match tokio::fs::read(path).await {
            Ok(bytes) => Ok(Artifact::new(path, bytes)),
            Err(source) => Err(LoadError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Where the bytes are from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The component.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// SHA-256 of the bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
