//! Where images and videos that were made are kept, and where clients find them.

mod location;
mod name;

use std::sync::Arc;

use dynamo_host_blob::Blob;
use dynamo_host_failure::Failure;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions, PutPayload};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use location::Location;
pub use location::StoreError;

/// What a path in a URL cannot hold as it is. Dynamo encodes nothing, so for the names it gives its
/// own media the URLs are the same; a name with a `?` in it leads to the medium here, too.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The operator's store for media (`--media-output-fs-url`, `--media-output-http-url`). Clones are
/// the same store.
///
/// Mirrors `dynamo/common/storage.py` of Dynamo 1.6.1.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    base: String,
    is_local: bool,
}

impl Store {
    /// The store at `fs_url`: `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`, or `memory://anything`, which is gone with the process. Nothing is
    /// read or written yet; a directory that does not exist is made with the first medium.
    ///
    /// Clients find the media under `http_url`, or under `fs_url` where there is none.
    ///
    /// `env` is the environment, for the credentials and endpoints of object stores: the `AWS_`,
    /// `GOOGLE_` and `AZURE_` variables, and those that Dynamo's s3fs reads (`FSSPEC_S3_KEY`,
    /// `FSSPEC_S3_SECRET`, `FSSPEC_S3_TOKEN`, `FSSPEC_S3_ENDPOINT_URL`). The files of cloud tools,
    /// such as `~/.aws/credentials`, are not read.
    ///
    /// # Errors
    ///
    /// If a URL cannot be used, naming its flag.
    pub fn open(
        fs_url: &str,
        http_url: Option<&str>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let location = Location::parse(fs_url, http_url)?;
        let (objects, prefix) = location.open(env)?;
        Ok(Store {
            objects: objects.into(),
            prefix,
            is_local: location.is_local(),
            base: location.into_base(),
        })
    }

    /// Keeps the blob under `name`, a path such as `users/me/picture.png`, and returns its URL.
    /// What was there under this name is replaced, at once: nobody reads half a medium, and a
    /// failure leaves what was there.
    ///
    /// # Errors
    ///
    /// * `InvalidRequest`: the name leads out of the store, or not every store can keep it.
    /// * `Internal`: the store cannot be written. The message is for the operator.
    pub async fn put(&self, name: &str, blob: Blob) -> Result<String, Failure> {
        name::check(name)?;
        let path = Path::parse(name)
            .map_err(|error| Failure::invalid_request(name::message(name, &error.to_string())))?;
        let path = self.prefix.parts().chain(path.parts()).collect::<Path>();
        let mut attributes = Attributes::new();
        // Files have no place for it.
        if !self.is_local {
            attributes.insert(Attribute::ContentType, blob.content_type().to_owned().into());
        }
        let options = PutOptions { attributes, ..PutOptions::default() };
        match self.objects.put_opts(&path, PutPayload::from_iter(blob.into_pieces()), options).await
        {
            Ok(_) => Ok(format!("{}/{}", self.base, utf8_percent_encode(name, ENCODED))),
            Err(error) => Err(Failure::internal(format!(
                "{name} cannot be stored (--media-output-fs-url): {error}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
