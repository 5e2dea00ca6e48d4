//! Files under the operator's directory, and none beside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A directory `media` with a picture, beside a secret.
struct Disk {
    dir: tempfile::TempDir,
    fetcher: Fetcher,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("media");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(dir.path().join("media-too")).unwrap();
        fs::write(root.join("sub/a b.png"), PNG).unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::write(dir.path().join("media-too/secret"), "secret").unwrap();
        let fetcher = fetcher(Policy { local_root: Some(root), ..Policy::default() });
        Disk { dir, fetcher }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    async fn assert_hidden(&self, url: &str) {
        let failure = refused(&self.fetcher, url).await;
        assert_eq!(
            (failure.kind, failure.public),
            (Kind::InvalidRequest, true),
            "{url}: {failure}"
        );
        assert!(failure.message.contains("there is no such file"), "{url}: {failure}");
    }
}

#[tokio::test]
async fn files_need_the_operators_word() {
    let disk = Disk::new();
    let fetcher = fetcher(policy());
    let path = disk.path("media/sub/a b.png");
    for url in [path.clone(), format!("file://{path}"), "relative.png".into()] {
        let failure = refused(&fetcher, &url).await;
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(failure.message.contains("DYN_MM_LOCAL_PATH"), "{failure}");
    }
}

#[tokio::test]
async fn a_file_is_found_by_url_and_by_path() {
    let disk = Disk::new();
    let path = disk.path("media/sub/a b.png");
    let url = format!("file://{}", path.replace(' ', "%20"));
    let link = disk.path("media/link.png");
    symlink("sub/a b.png", &link).unwrap();
    for url in [url, path, "sub/a b.png".into(), "sub/../sub/a b.png".into(), link] {
        let blob = disk.fetcher.fetch(&url, &limits()).await.unwrap();
        assert_eq!(blob, Blob::new("image/png", PNG), "{url}");
    }
}

#[tokio::test]
async fn nothing_outside_the_directory_is_found() {
    let disk = Disk::new();
    for (link, target) in [("link", "secret"), ("dir", "media-too"), ("loop", "media/loop")] {
        symlink(disk.path(target), disk.path(&format!("media/{link}"))).unwrap();
    }
    for url in [
        disk.path("secret"),
        disk.path("media/../secret"),
        disk.path("media-too/secret"),
        disk.path("media/link"),
        disk.path("media/dir/secret"),
        disk.path("media/loop"),
        disk.path("media/absent"),
        disk.path("absent"),
        disk.path("media"),
        format!("file://{}", disk.path("media/%2e%2e/secret")),
        format!("file://{}", disk.path("media/..%2fsecret")),
        format!("file://{}", disk.path("media/sub/a b.png%00")),
        "../secret".into(),
        "link".into(),
        "file:///etc/passwd".into(),
        "/etc/passwd".into(),
        "x".repeat(100_000),
    ] {
        disk.assert_hidden(&url).await;
    }
}

#[tokio::test]
async fn what_is_not_a_file_is_not_opened() {
    let disk = Disk::new();
    // Opening a pipe that nobody writes to would wait for ever.
    let made = std::process::Command::new("mkfifo").arg(disk.path("media/pipe")).status().unwrap();
    assert!(made.success());
    disk.assert_hidden(&disk.path("media/pipe")).await;
    if Path::new("/dev/zero").exists() {
        symlink("/dev/zero", disk.path("media/zero")).unwrap();
        disk.assert_hidden(&disk.path("media/zero")).await;
    }
}

#[tokio::test]
async fn limits_hold_for_files() {
    let disk = Disk::new();
    let small = Limits { max_bytes: 3, ..limits() };
    let failure =
        disk.fetcher.fetch("sub/a b.png", &small).await.map_err(Failure::from).unwrap_err();
    assert_eq!(failure.kind, Kind::PayloadTooLarge);
    let video = Limits { accept: vec!["video/".into()], ..limits() };
    let failure =
        disk.fetcher.fetch("sub/a b.png", &video).await.map_err(Failure::from).unwrap_err();
    assert_eq!(failure.kind, Kind::UnsupportedMedia);
}

#[tokio::test]
async fn a_directory_that_is_gone_is_the_operators_fault() {
    let fetcher = fetcher(Policy { local_root: Some("/no/such/dir".into()), ..policy() });
    let failure = refused(&fetcher, "a.png").await;
    assert_eq!((failure.kind, failure.public), (Kind::Internal, false));
    assert!(failure.message.contains("DYN_MM_LOCAL_PATH"), "{failure}");
}
