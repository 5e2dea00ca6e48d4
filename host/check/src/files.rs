//! Finds case files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A path that cannot be looked into.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {source}", path = path.display())]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    source: io::Error,
}

/// The files among `paths`, and those named `*.json` in the folders among them at any depth, by
/// name. Names that begin with a dot are passed over.
pub(crate) fn find(paths: &[PathBuf]) -> Vec<Result<PathBuf, Unreadable>> {
    let mut found = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => folder(path, &mut found),
            Ok(_) => found.push(Ok(path.clone())),
            Err(source) => found.push(Err(Unreadable { path: path.clone(), source })),
        }
    }
    found
}

fn folder(path: &Path, found: &mut Vec<Result<PathBuf, Unreadable>>) {
    let entries: io::Result<Vec<_>> =
        fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(source) => return found.push(Err(Unreadable { path: path.to_owned(), source })),
    };
    entries.sort();
    for entry in entries {
        let hidden =
            entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            folder(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "json") {
            found.push(Ok(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn folders_are_searched_in_order_and_files_taken_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("d/b")).unwrap();
        for name in ["d/c.json", "d/b/z.json", "d/a.json", "d/README.md", "d/.x.json", "case.txt"] {
            fs::write(at(name), "").unwrap();
        }
        let found = find(&[at("d"), at("case.txt"), at("none")]);
        let paths: Vec<_> = found.iter().map(|path| path.as_deref().ok()).collect();
        let expected = [at("d/a.json"), at("d/b/z.json"), at("d/c.json"), at("case.txt")];
        let mut expected: Vec<_> = expected.iter().map(|path| Some(path.as_path())).collect();
        expected.push(None);
        assert_eq!(paths, expected);
        assert!(found[4].as_ref().unwrap_err().to_string().contains("none"));
    }
}
