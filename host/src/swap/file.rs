//! A file that is looked at from time to time.
//!
//! By its stamp, twice a second, and not by the kernel's notices: those do not come from network
//! mounts, and Kubernetes replaces a mounted file by a link to another folder, which is no event of
//! the file. A stamp costs one system call, and follows links by itself.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Between looks. A file whose stamp has not changed for so long is taken to be written to its end.
const LOOK: Duration = Duration::from_millis(500);

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// A file, and how it last looked.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    looks: Interval,
    /// What has been reported, or was there first.
    known: Option<Stamp>,
    /// What was there at the last look, if it is something else.
    fresh: Option<Stamp>,
}

impl Watched {
    /// Looks for the first time.
    pub async fn new(path: PathBuf) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let known = stamp(&path).await;
        Watched { path, looks, known, fresh: None }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until there is another file, or another content, and nobody is writing to it.
    pub async fn changed(&mut self) {
        loop {
            self.looks.tick().await;
            if self.look(stamp(&self.path).await) {
                return;
            }
        }
    }

    /// Whether what is there has not been reported yet, and has settled.
    fn look(&mut self, now: Option<Stamp>) -> bool {
        // Between removal and replacement there is nothing to take.
        if now.is_none() || now == self.known {
            self.fresh = None;
            return false;
        }
        let settled = self.fresh == now;
        self.fresh = now;
        if settled {
            self.known = now;
        }
        settled
    }
}

async fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Whether a look at the file finds news.
    async fn finds(watched: &mut Watched) -> bool {
        let now = stamp(&watched.path).await;
        watched.look(now)
    }

    #[tokio::test]
    async fn a_file_is_reported_once_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, "one").unwrap();
        let mut watched = Watched::new(path.clone()).await;
        assert!(!finds(&mut watched).await);
        for half in ["tw", "two, and"] {
            fs::write(&path, half).unwrap();
            assert!(!finds(&mut watched).await, "{half}");
        }
        assert!(finds(&mut watched).await);
        assert!(!finds(&mut watched).await);
    }

    #[tokio::test]
    async fn a_file_that_is_away_is_no_news_until_another_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, "one").unwrap();
        let mut watched = Watched::new(path.clone()).await;
        fs::remove_file(&path).unwrap();
        assert!(!finds(&mut watched).await && !finds(&mut watched).await);
        fs::write(&path, "another").unwrap();
        assert!(!finds(&mut watched).await && finds(&mut watched).await);
    }

    #[tokio::test]
    async fn a_link_to_another_folder_is_another_file() {
        // As Kubernetes updates a mounted ConfigMap: a.wasm -> ..data/a.wasm, ..data -> ..1.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, content) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.wasm"), content).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.wasm", at("a.wasm")).unwrap();
        let mut watched = Watched::new(at("a.wasm")).await;
        assert!(!finds(&mut watched).await);
        symlink("..2", at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
        assert!(!finds(&mut watched).await && finds(&mut watched).await);
    }
}
