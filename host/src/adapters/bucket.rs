//! Adapters from buckets that speak S3.

use std::path::Path;

use dynamo_host_failure::{Failure, Kind};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::ClientConfigKey;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use tempfile::TempDir;
use tokio::fs;
use tokio::io::AsyncWriteExt;

/// How long one request to a bucket may take, in seconds, and its default.
const TIMEOUT: (&str, u32) = ("LORA_DOWNLOAD_TIMEOUT_SECS", 3600);

/// Brings all objects at `place`, a bucket and a prefix with a slash between them, into a new folder
/// in `kept`. What is half there when it fails goes with the folder.
///
/// # Errors
/// `InvalidRequest` for what is no such place, `NotFound` if nothing is there, and what the bucket
/// answers.
pub(super) async fn fetch(
    place: &str,
    kept: &Path,
    environment: &[(String, String)],
) -> Result<TempDir, Failure> {
    let refused = |why: &str| {
        Failure::invalid_request(format!("`s3://{place}` is not s3://bucket/prefix: {why}"))
    };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err(refused("there is no bucket in it"));
    }
    let prefix = Key::parse(prefix).map_err(|error| refused(&error.to_string()))?;
    let failed = |error| explain(place, error);
    let store = open(bucket, environment).map_err(failed)?;
    let unkept = |error: std::io::Error| Failure::internal(format!("{}: {error}", kept.display()));
    std::fs::create_dir_all(kept).map_err(unkept)?;
    let folder = tempfile::Builder::new().prefix(".fetching-").tempdir_in(kept).map_err(unkept)?;
    let mut objects = store.list(Some(&prefix));
    let mut any = false;
    while let Some(object) = objects.try_next().await.map_err(failed)? {
        let parts = object.location.prefix_match(&prefix).into_iter().flatten();
        let path = parts.fold(folder.path().to_owned(), |path, part| path.join(part.as_ref()));
        // Some tools mark a folder by an object of its name.
        if path == folder.path() {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).await.map_err(unkept)?;
        }
        let mut file = fs::File::create(&path).await.map_err(unkept)?;
        let mut pieces = store.get(&object.location).await.map_err(failed)?.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(failed)? {
            file.write_all(&piece).await.map_err(unkept)?;
        }
        file.flush().await.map_err(unkept)?;
        any = true;
    }
    if any { Ok(folder) } else { Err(nothing(place)) }
}

/// The bucket, as the variables of AWS's tools say. Their files, such as `~/.aws/credentials`, are
/// not read.
fn open(bucket: &str, environment: &[(String, String)]) -> Result<AmazonS3, Error> {
    let timeout = environment.iter().find(|(name, _)| name == TIMEOUT.0);
    let timeout = timeout.and_then(|(_, seconds)| seconds.parse().ok()).unwrap_or(TIMEOUT.1);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), format!("{timeout}s"));
    // The last counts, and Dynamo's order is the other way round.
    let names = ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"];
    let given = |value: &str| !value.trim().is_empty();
    let ours = environment.iter().filter(|(name, value)| name.starts_with("AWS_") && given(value));
    let rank = |name: &str| names.iter().position(|known| *known == name);
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by_key(|(name, _)| rank(name));
    for (name, value) in ours {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
        // An operator who writes http means it; the client asks for a second word.
        if rank(name).is_some() && value.starts_with("http://") {
            builder = builder.with_allow_http(true);
        }
    }
    builder.build()
}

fn nothing(place: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("there is nothing at s3://{place}"))
}

fn explain(place: &str, error: Error) -> Failure {
    let kind = match &error {
        Error::NotFound { .. } => return nothing(place),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Kind::PermissionDenied,
        _ => Kind::Unavailable,
    };
    Failure::new(kind, format!("s3://{place} cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
