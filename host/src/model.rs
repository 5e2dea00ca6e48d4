//! Where the model's files are.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::HostError;

/// Refuses a model path that can be neither a path nor a name on a hub.
///
/// # Errors
/// [`HostError::NoModel`].
pub fn check(model_path: &str) -> Result<(), HostError> {
    if Path::new(model_path).exists() || is_hub_name(model_path) || model_path.contains("://") {
        return Ok(());
    }
    Err(HostError::NoModel { path: model_path.to_owned() })
}

/// The folder with the model's files: `model_path` itself or, for a name on the Hugging Face hub,
/// the snapshot the engine has downloaded. None if there is no such folder here.
pub fn folder(model_path: &str) -> Option<PathBuf> {
    let path = Path::new(model_path);
    if path.is_dir() {
        return path.canonicalize().ok();
    }
    if !is_hub_name(model_path) {
        return None;
    }
    newest_snapshot(&hub_cache()?.join(format!("models--{}", model_path.replace('/', "--"))))
}

/// `organisation/model`, and nothing that looks like a path.
fn is_hub_name(name: &str) -> bool {
    let allowed = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(char::is_alphanumeric)
            && chars.all(|c| c.is_alphanumeric() || "-_.".contains(c))
    };
    name.split_once('/')
        .is_some_and(|(organisation, model)| allowed(organisation) && allowed(model))
}

/// The Hugging Face cache, as `huggingface_hub` finds it: `HF_HUB_CACHE`, else `HF_HOME`, else the
/// user's. None without a home.
pub fn hub_cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HF_HUB_CACHE")
        .or_else(|| set("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| Some(set("HOME")?.join(".cache/huggingface/hub")))
}

/// The snapshot `main` points to, or else the newest.
fn newest_snapshot(repository: &Path) -> Option<PathBuf> {
    let snapshots = repository.join("snapshots");
    if let Ok(revision) = std::fs::read_to_string(repository.join("refs/main")) {
        let snapshot = snapshots.join(revision.trim());
        if snapshot.is_dir() {
            return Some(snapshot);
        }
    }
    let entries = std::fs::read_dir(snapshots).ok()?.flatten();
    entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_on_a_hub_is_told_from_a_path() {
        assert!(is_hub_name("Qwen/Qwen3-0.6B"));
        for path in ["/models/x", "./x/y", "models", "a/b/c", "~/x", ""] {
            assert!(!is_hub_name(path), "{path}");
        }
        assert!(check("/no/such/model").unwrap_err().to_string().contains("/no/such/model"));
    }

    #[test]
    fn the_snapshot_that_main_names_is_taken() {
        let repository = tempfile::tempdir().unwrap();
        for revision in ["aaa", "bbb"] {
            std::fs::create_dir_all(repository.path().join("snapshots").join(revision)).unwrap();
        }
        std::fs::create_dir(repository.path().join("refs")).unwrap();
        std::fs::write(repository.path().join("refs/main"), "aaa\n").unwrap();
        let snapshot = newest_snapshot(repository.path()).unwrap();
        assert!(snapshot.ends_with("snapshots/aaa"));
    }
}
