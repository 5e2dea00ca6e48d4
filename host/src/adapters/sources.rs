//! Where the files of LoRA adapters come from.
//!
//! Mirrors the downloader behind `dynamo/common/lora/manager.py` of Dynamo 1.6.1: the same URIs, the
//! same variables, the same folder for what was fetched, so that a folder filled by one is read by
//! the other.

use std::env;
use std::path::{Path, PathBuf};

use dynamo_host_failure::{Failure, Kind};

use super::{bucket, hub};
use crate::model;

/// What an adapter cannot be without, and files of which it needs one.
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: [&str; 3] =
    ["adapter_model.safetensors", "adapter_model.bin", "model.lora_weights.npy"];

/// The places adapters are taken from.
pub(super) struct Sources {
    /// Where adapters from object stores are kept (`DYN_LORA_PATH`).
    kept: PathBuf,
    /// The Hugging Face cache.
    hub: Option<PathBuf>,
    /// Credentials and endpoints of object stores.
    environment: Vec<(String, String)>,
}

impl Sources {
    /// As the environment says.
    pub(super) fn from_env() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let kept = set("DYN_LORA_PATH")
            .or_else(|| Some(set("HOME")?.join(".cache/dynamo_loras")))
            .unwrap_or_else(|| env::temp_dir().join("dynamo_loras"));
        let environment = env::vars_os()
            .filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()))
            .collect();
        Sources { kept, hub: model::hub_cache(), environment }
    }

    /// The directory with the files of the adapter at `uri`: `file:///directory` or a path of this
    /// machine, `s3://bucket/prefix`, `hf://organisation/repository[@revision]`.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no such URI, `NotFound` for what is not there, and what a bucket
    /// fails with.
    pub(super) async fn directory(&self, uri: &str) -> Result<String, Failure> {
        let path = match uri.split_once("://") {
            None => local(uri).await?,
            Some(("file", path)) => local(path).await?,
            Some(("s3", place)) => self.out_of_bucket(uri, place).await?,
            Some(("hf", name)) => {
                let path = hub::snapshot(self.hub.as_deref(), name)?;
                check(&path, uri)?;
                path
            }
            Some((scheme, _)) => {
                return Err(Failure::invalid_request(format!(
                    "adapters are not fetched from {scheme}://: give file:///directory, \
                     s3://bucket/prefix or hf://organisation/repository"
                )));
            }
        };
        path.into_os_string().into_string().map_err(|path| {
            Failure::invalid_request(format!("{} is not UTF-8", Path::new(&path).display()))
        })
    }

    /// What was fetched once is not fetched again.
    async fn out_of_bucket(&self, uri: &str, place: &str) -> Result<PathBuf, Failure> {
        let path = self.kept.join(key(uri));
        if check(&path, uri).is_err() {
            let folder = bucket::fetch(place, &self.kept, &self.environment).await?;
            check(folder.path(), uri)?;
            // Another worker may have been faster, or something of the name be there that is none.
            let _ = std::fs::remove_dir_all(&path);
            let unkept = |error| Failure::internal(format!("{}: {error}", path.display()));
            std::fs::rename(folder.keep(), &path).map_err(unkept)?;
        }
        Ok(path)
    }
}

/// What the folder of an adapter is called. Dynamo's `uri_to_cache_key`.
fn key(uri: &str) -> String {
    uri.replace("://", "__").replace(['/', '\\', '.'], "_")
}

async fn local(path: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(Failure::invalid_request(format!("`{}` is no absolute path", path.display())));
    }
    match tokio::fs::metadata(&path).await {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(Failure::invalid_request(format!("{} is not a directory", path.display()))),
        Err(error) => Err(Failure::new(Kind::NotFound, format!("{}: {error}", path.display()))),
    }
}

/// Whether `path` holds an adapter.
fn check(path: &Path, uri: &str) -> Result<(), Failure> {
    let has = |name: &str| path.join(name).is_file();
    let missing = if !has(CONFIG) {
        CONFIG.to_owned()
    } else if !WEIGHTS.into_iter().any(has) {
        format!("weights ({})", WEIGHTS.join(", "))
    } else {
        return Ok(());
    };
    Err(Failure::new(Kind::NotFound, format!("there is no LoRA adapter at {uri}: no {missing}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sources(folder: &Path) -> Sources {
        let hub = Some(folder.join("hub"));
        Sources { kept: folder.join("kept"), hub, environment: Vec::new() }
    }

    fn write_adapter(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(CONFIG), "{}").unwrap();
        std::fs::write(folder.join(WEIGHTS[0]), "").unwrap();
    }

    #[tokio::test]
    async fn files_are_taken_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let sources = sources(folder.path());
        assert_eq!(sources.directory(path).await.unwrap(), path);
        assert_eq!(sources.directory(&format!("file://{path}")).await.unwrap(), path);
        for (uri, kind) in [
            ("gs://bucket/a", Kind::InvalidRequest),
            ("relative/a", Kind::InvalidRequest),
            ("file:///no/such/adapter", Kind::NotFound),
            ("s3://", Kind::InvalidRequest),
            ("hf://", Kind::InvalidRequest),
        ] {
            assert_eq!(sources.directory(uri).await.unwrap_err().kind, kind, "{uri}");
        }
    }

    #[tokio::test]
    async fn what_was_fetched_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept/s3__bucket_a_b_1");
        write_adapter(&kept);
        let found = sources(folder.path()).directory("s3://bucket/a/b.1").await.unwrap();
        assert_eq!(Path::new(&found), kept);
    }

    #[tokio::test]
    async fn a_snapshot_of_the_hub_must_be_an_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("hub/models--org--adapter");
        let snapshot = repository.join("snapshots/abc");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc").unwrap();
        let sources = sources(folder.path());
        let failure = sources.directory("hf://org/adapter").await.unwrap_err();
        assert!(failure.message.contains(CONFIG), "{failure}");
        write_adapter(&snapshot);
        let found = sources.directory("hf://org/adapter").await.unwrap();
        assert_eq!(Path::new(&found), snapshot);
    }
}
