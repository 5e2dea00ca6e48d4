//! Adapters from the Hugging Face hub: what of it is on this machine.

use std::path::{Path, PathBuf};

use dynamo_host_failure::{Failure, Kind};

/// The revision of a name without one.
const MAIN: &str = "main";

/// The snapshot of `name`, `organisation/repository[@revision]`, in the cache at `cache`, as the
/// hub's own tools leave it there. The revision is a branch, a tag or a commit.
///
/// Nothing is downloaded: that is for a tool that knows about tokens and broken downloads.
///
/// # Errors
/// `InvalidRequest` for what is no name, `NotFound` for what is not in the cache.
pub(super) fn snapshot(cache: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    let (repository, revision) = name.split_once('@').unwrap_or((name, MAIN));
    let is_name = |name: &str| {
        !name.is_empty()
            && name.split('/').all(|part| !part.is_empty() && !part.chars().all(|c| c == '.'))
            && !name.contains(['\\', '\0'])
    };
    if !is_name(repository) || !is_name(revision) {
        return Err(Failure::invalid_request(format!(
            "`hf://{name}` is not hf://organisation/repository or \
             hf://organisation/repository@revision"
        )));
    }
    let cache = cache.ok_or_else(|| {
        let message = "there is no Hugging Face cache: set HF_HUB_CACHE, HF_HOME or HOME";
        Failure::new(Kind::NotFound, message)
    })?;
    let folder = cache.join(format!("models--{}", repository.replace('/', "--")));
    let commit = std::fs::read_to_string(folder.join("refs").join(revision));
    let commit = commit.as_deref().map_or(revision, str::trim);
    let snapshot = folder.join("snapshots").join(commit);
    if is_name(commit) && snapshot.is_dir() {
        return Ok(snapshot);
    }
    Err(Failure::new(
        Kind::NotFound,
        format!(
            "{repository} at revision {revision} is not in the Hugging Face cache at {}: bring it \
             there with `hf download {repository} --revision {revision}`",
            cache.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_revision_is_a_branch_or_a_commit() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--org--adapter");
        for commit in ["aaa", "bbb"] {
            std::fs::create_dir_all(repository.join("snapshots").join(commit)).unwrap();
        }
        std::fs::create_dir_all(repository.join("refs/refs/pr")).unwrap();
        std::fs::write(repository.join("refs/main"), "aaa\n").unwrap();
        std::fs::write(repository.join("refs/refs/pr/1"), "bbb").unwrap();
        for (name, commit) in [
            ("org/adapter", "aaa"),
            ("org/adapter@main", "aaa"),
            ("org/adapter@refs/pr/1", "bbb"),
            ("org/adapter@bbb", "bbb"),
        ] {
            let found = snapshot(Some(cache.path()), name).unwrap();
            assert_eq!(found, repository.join("snapshots").join(commit), "{name}");
        }
        for missing in ["org/adapter@v2", "org/other"] {
            let failure = snapshot(Some(cache.path()), missing).unwrap_err();
            assert_eq!(failure.kind, Kind::NotFound);
            assert!(failure.message.contains("hf download org/"), "{failure}");
        }
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["", "org/", "/adapter", "org/..", "org/a@", "org/a@../../b", "org\\a"] {
            let failure = snapshot(Some(cache.path()), name).unwrap_err();
            assert_eq!(failure.kind, Kind::InvalidRequest, "{name}");
        }
    }
}
