//! Files under the operator's directory for local media.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use dynamo_host_blob::{Blob, content_type};
use tracing::debug;

use crate::error::FetchError;
use crate::limits::Limits;
use crate::policy::Policy;

/// Reads the file at `path`, which is relative to the operator's directory unless it is absolute.
/// Blocks.
///
/// What counts is where the path leads after all its links, as in Dynamo
/// (`validate_local_path` in `dynamo/common/http/url_validator.py`).
pub(crate) fn read(
    path: &Path,
    label: String,
    policy: &Policy,
    limits: &Limits,
) -> Result<Blob, FetchError> {
    let Some(root) = &policy.local_root else {
        return Err(FetchError::LocalFiles { label });
    };
    let root = root.canonicalize().map_err(|source| FetchError::LocalRoot { source })?;
    // A path with a NUL, a name too long and a directory that may not be entered end here, too.
    let Ok(path) = root.join(path).canonicalize() else {
        return Err(FetchError::NoSuchFile { label });
    };
    // Opening a pipe waits for its other end, so what is not a file is not opened.
    let size = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() && path.starts_with(&root) => metadata.len(),
        _ => {
            debug!(path = %path.display(), root = %root.display(), "not a file under the root");
            return Err(FetchError::NoSuchFile { label });
        }
    };
    let limit = limits.max_bytes.min(policy.max_bytes);
    if size > limit {
        return Err(FetchError::TooLarge { label, limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // The file may have grown since.
    let read = File::open(&path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes));
    if let Err(source) = read {
        return Err(FetchError::ReadFile { label, source });
    }
    if bytes.len() as u64 > limit {
        return Err(FetchError::TooLarge { label, limit });
    }
    let content_type = content_type::of(None, &bytes);
    crate::fetch::wanted(label, &content_type, limits)?;
    Ok(Blob::new(content_type, bytes))
}
