//! A component before it is a plugin: its bytes, and where they are from.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use dynamo_host_trust::Digest;

use crate::LoadError;

/// What the name of a signature ends in, after the plugin's own.
pub const SIGNATURE_SUFFIX: &str = ".sig";

/// The bytes of a component, of which nothing is believed yet. Cheap to clone.
#[derive(Clone)]
pub struct Artifact {
    origin: PathBuf,
    bytes: Bytes,
    signature: Option<Bytes>,
    digest: Digest,
    /// The same in hexadecimal.
    hex: String,
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
        let digest = Digest::of(&bytes);
        Artifact { origin: origin.into(), bytes, signature: None, digest, hex: digest.hex() }
    }

    /// Adds what was found as the signature.
    pub fn with_signature(mut self, signature: Option<Bytes>) -> Self {
        self.signature = signature;
        self
    }

    /// Reads the file at `path`, and the signature beside it if there is one.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`].
    pub async fn read(path: &Path) -> Result<Self, LoadError> {
        let unreadable =
            |path: &Path, source| LoadError::Unreadable { path: path.to_owned(), source };
        let bytes = tokio::fs::read(path).await.map_err(|error| unreadable(path, error))?;
        let beside = Artifact::signature_path(path);
        let signature = match tokio::fs::read(&beside).await {
            Ok(signature) => Some(signature.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(&beside, error)),
        };
        Ok(Artifact::new(path, bytes).with_signature(signature))
    }

    /// Where the signature of the plugin at `origin` is found.
    pub fn signature_path(origin: &Path) -> PathBuf {
        let mut name = origin.as_os_str().to_owned();
        name.push(SIGNATURE_SUFFIX);
        name.into()
    }

    /// Where the bytes are from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The component.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What was found as its signature, which need not be one.
    pub fn signature(&self) -> Option<&Bytes> {
        self.signature.as_ref()
    }

    /// SHA-256 of the bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.hex
    }

    /// What the compiled component is found by.
    pub(crate) fn key(&self) -> Digest {
        self.digest
    }
}
