//! Compiled components on disk, so that a plugin this host has seen before starts at once.
//!
//! What lies here is machine code that runs outside any sandbox: nothing in it is checked when it is
//! loaded, and so everything about where it lies is. The folder and each file in it must belong to the
//! user the host runs as and be closed to all others; they are opened once and looked at through
//! what was opened, so that no path can be exchanged in between. A file is made by this host, from
//! bytes it has verified, under another name first; it is found by the component's digest and by
//! what the engine's settings and version come to. There is no way to hand in a compiled plugin.

use std::fs::File;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dynamo_host_trust::Digest;
use rustix::fs::{AtFlags, Mode, OFlags};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled components that are kept: some versions of some plugins. The oldest goes first.
const KEPT: usize = 64;

/// The end of a compiled component's name.
const SUFFIX: &str = ".compiled";

/// No place for compiled components.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or read.
    #[error("cannot use {path} for compiled plugins (--plugin-cache): {source}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put code there.
    #[error(
        "{path} is not safe for compiled plugins (--plugin-cache): it must belong to the user of this \
         process and be closed to all others (chmod 700)"
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
}

/// A private folder of compiled components.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    folder: OwnedFd,
}

impl Cache {
    /// The folder `path`, which is made if need be.
    ///
    /// # Errors
    /// [`CacheError`]. A host can do without, and then compiles each time it starts.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let unusable =
            |error: io::Error| CacheError::Unusable { path: path.to_owned(), source: error };
        make_private(path).map_err(unusable)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unusable(error.into()))?;
        match is_private(&folder) {
            Ok(true) => Ok(Cache { path: path.to_owned(), folder }),
            Ok(false) => Err(CacheError::NotPrivate { path: path.to_owned() }),
            Err(error) => Err(unusable(error)),
        }
    }

    /// Where the user's own folder is: in `XDG_CACHE_HOME`, or in `.cache` of `HOME`. None without
    /// either.
    pub fn usual_path() -> Option<PathBuf> {
        let set =
            |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        caches.is_absolute().then(|| caches.join("dynamo-host").join("plugins"))
    }

    /// The compiled component `digest`, if this host has compiled it before.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let name = name(engine, digest);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &name, flags, Mode::empty()).ok()?;
        if !is_private(&file).unwrap_or(false) {
            tracing::warn!(
                "{}/{name} is open to others: compiling the plugin anew",
                self.path.display()
            );
            return None;
        }
        let opened = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        // SAFETY: the file is one this user's host has written whole, of a component it had
        // verified (see the head of this file), and never writes to again.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize_file(engine, opened) };
        let component = component
            .inspect_err(|error| tracing::warn!("{}/{name}: {error:#}", self.path.display()))
            .ok()?;
        // The oldest is the one that was not used for longest. Not being able to say so is no harm.
        let now = SystemTime::now();
        let _ = File::from(file).set_modified(now);
        Some(component)
    }

    /// Keeps a compiled component. That it cannot be kept is only told.
    pub(crate) fn store(&self, engine: &Engine, digest: Digest, component: &Component) {
        let name = name(engine, digest);
        if let Err(error) = self.write(&name, component).and_then(|()| self.forget_oldest()) {
            tracing::warn!("cannot keep {}/{name}: {error:#}", self.path.display());
        }
    }

    fn write(&self, name: &str, component: &Component) -> wasmtime::Result<()> {
        let compiled = component.serialize()?;
        // Of this process, so that two that compile the same do not meet.
        let unfinished = format!("{name}.{}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(
            &self.folder,
            &unfinished,
            flags | OFlags::NOFOLLOW,
            mode,
        )?);
        file.write_all(&compiled)?;
        // Half a file must not be found after a crash.
        file.sync_all()?;
        rustix::fs::renameat(&self.folder, &unfinished, &self.folder, name)?;
        Ok(())
    }

    fn forget_oldest(&self) -> wasmtime::Result<()> {
        let mut files = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.folder)? {
            let name = entry?.file_name().to_owned();
            if name.to_bytes().starts_with(b".") {
                continue;
            }
            let stat = rustix::fs::statat(&self.folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            files.push((stat.st_mtime, stat.st_mtime_nsec, name));
        }
        files.sort_unstable();
        let excess = files.len().saturating_sub(KEPT);
        for (_, _, name) in files.into_iter().take(excess) {
            rustix::fs::unlinkat(&self.folder, &name, AtFlags::empty())?;
        }
        Ok(())
    }
}

/// Names a component compiled by an engine of these settings and this version.
fn name(engine: &Engine, digest: Digest) -> String {
    // Of fixed keys, unlike those of a map: other processes must come to the same.
    let mut settings = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{}-{:016x}{SUFFIX}", digest.hex(), settings.finish())
}

fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Whether it is this user's and closed to all others.
fn is_private(opened: &OwnedFd) -> io::Result<bool> {
    let stat = rustix::fs::fstat(opened)?;
    let closed = stat.st_mode & 0o077 == 0;
    Ok(closed && stat.st_uid == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// The smallest component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn compiled(engine: &Engine, cache: &Cache) -> Digest {
        let digest = Digest::of(EMPTY);
        cache.store(engine, digest, &Component::new(engine, EMPTY).unwrap());
        digest
    }

    fn files(path: &Path) -> Vec<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_was_compiled_is_found_by_its_digest_and_by_the_engines_settings() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("a/b")).unwrap();
        let engine = Engine::default();
        let digest = compiled(&engine, &cache);
        assert!(cache.load(&engine, digest).is_some());
        assert!(cache.load(&engine, Digest::of(b"another")).is_none());
        let mut other = wasmtime::Config::new();
        other.epoch_interruption(true);
        assert!(cache.load(&Engine::new(&other).unwrap(), digest).is_none());
    }

    #[test]
    fn folder_and_files_are_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plugins");
        compiled(&Engine::default(), &Cache::open(&path).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        let files = files(&path);
        assert_eq!(files.iter().map(|file| mode(file)).collect::<Vec<_>>(), [0o600]);
    }

    #[test]
    fn a_folder_that_others_can_reach_or_a_link_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("plugins");
        Cache::open(&path).unwrap();
        let link = home.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(Cache::open(&link), Err(CacheError::Unusable { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(Cache::open(&path), Err(CacheError::NotPrivate { .. })));
    }

    #[test]
    fn a_file_that_others_can_write_or_a_link_is_not_loaded() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("cache")).unwrap();
        let engine = Engine::default();
        let digest = compiled(&engine, &cache);
        let file = files(&home.path().join("cache")).remove(0);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.load(&engine, digest).is_none());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.load(&engine, digest).is_some());
        let elsewhere = home.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(cache.load(&engine, digest).is_none());
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("cache")).unwrap();
        let engine = Engine::default();
        let digest = compiled(&engine, &cache);
        std::fs::write(files(&home.path().join("cache")).remove(0), "rubbish").unwrap();
        assert!(cache.load(&engine, digest).is_none());
        assert!(cache.load(&engine, compiled(&engine, &cache)).is_some());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(&home.path().join("cache")).unwrap();
        for number in 0..KEPT {
            let file = File::create(home.path().join(format!("cache/old-{number}"))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let engine = Engine::default();
        let digest = compiled(&engine, &cache);
        assert_eq!(files(&home.path().join("cache")).len(), KEPT);
        assert!(cache.load(&engine, digest).is_some());
    }
}
