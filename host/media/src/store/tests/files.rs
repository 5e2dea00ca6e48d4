//! The store of files.

use std::fs;
use std::path::PathBuf;

use super::*;

struct Disk {
    dir: tempfile::TempDir,
    store: Store,
}

impl Disk {
    /// A store in a directory that does not exist yet, beside which nothing must appear.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&format!("file://{}/media/out", dir.path().display()));
        Disk { dir, store }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("media/out")
    }

    /// All files in the directory and below, relative to the store.
    fn files(&self) -> Vec<String> {
        let (mut found, mut dirs) = (Vec::new(), vec![self.dir.path().to_owned()]);
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let relative = path.strip_prefix(self.root()).unwrap_or(&path);
                    found.push(relative.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

#[tokio::test]
async fn opening_a_store_makes_nothing() {
    let disk = Disk::new();
    assert!(!disk.dir.path().join("media").exists());
}

#[tokio::test]
async fn a_file_is_at_its_url() {
    let disk = Disk::new();
    for name in ["ctx-1.mp4", "users/me@example.com/generations/1/a b.png", "a%41.png", "ü.png"] {
        let url = disk.store.put(name, blob(b"frames")).await.unwrap();
        assert_eq!(fs::read(disk.root().join(name)).unwrap(), b"frames", "{name}");
        let path = url::Url::parse(&url).unwrap().to_file_path().unwrap();
        assert_eq!(path, disk.root().join(name));
    }
    assert_eq!(disk.files().len(), 4);
}

#[tokio::test]
async fn a_directory_may_have_any_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&format!("file://{}/my%20media", dir.path().display()));
    store.put("a.png", blob(b"frames")).await.unwrap();
    assert!(dir.path().join("my media/a.png").exists());
}

#[tokio::test]
async fn a_file_is_replaced_whole() {
    let disk = Disk::new();
    disk.store.put("a.mp4", blob(b"first")).await.unwrap();
    // Who opened the first goes on reading the first.
    let mut first = fs::File::open(disk.root().join("a.mp4")).unwrap();
    disk.store.put("a.mp4", blob(b"the second")).await.unwrap();
    let mut read = String::new();
    std::io::Read::read_to_string(&mut first, &mut read).unwrap();
    assert_eq!(read, "first");
    assert_eq!(fs::read(disk.root().join("a.mp4")).unwrap(), b"the second");
    assert_eq!(disk.files(), ["a.mp4"]);
}

#[tokio::test]
async fn many_writers_of_one_name_leave_one_whole_file() {
    let disk = Disk::new();
    let media: Vec<Vec<u8>> = (0..8_u8).map(|value| vec![value; 1 << 20]).collect();
    let writers = media.iter().map(|bytes| {
        let (store, bytes) = (disk.store.clone(), bytes.clone());
        tokio::spawn(async move {
            let blob = Blob::new("video/mp4", bytes);
            store.put("a.mp4", blob).await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert!(media.contains(&fs::read(disk.root().join("a.mp4")).unwrap()));
    assert_eq!(disk.files(), ["a.mp4"]);
}

#[tokio::test]
async fn nothing_is_written_outside() {
    let disk = Disk::new();
    for name in escapes() {
        let failure = disk.store.put(&name, blob(b"frames")).await.expect_err(&name);
        assert_eq!(failure.kind, Kind::InvalidRequest, "{failure}");
    }
    assert_eq!(disk.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_failure_leaves_no_part_behind() {
    let disk = Disk::new();
    fs::create_dir_all(disk.root().join("a.mp4")).unwrap();
    fs::write(disk.root().join("file"), "").unwrap();
    for name in ["a.mp4", "file/a.mp4"] {
        let failure = disk.store.put(name, blob(b"frames")).await.unwrap_err();
        assert_eq!((failure.kind, failure.public), (Kind::Internal, false));
        assert!(failure.message.contains("--media-output-fs-url"), "{failure}");
    }
    assert_eq!(disk.files(), ["file"]);
}

#[tokio::test]
async fn a_full_disk_leaves_no_part_behind() {
    const ROOT: &str = "MEDIA_TEST_FULL_DISK";
    // A limit on the size of files stands for the full disk; it holds for a whole process.
    if let Ok(root) = std::env::var(ROOT) {
        let blob = Blob::new("video/mp4", vec![1; 1 << 20]);
        let failure = open(&root).put("a.mp4", blob).await.unwrap_err();
        assert_eq!((failure.kind, failure.public), (Kind::Internal, false), "{failure}");
        return;
    }
    let disk = Disk::new();
    disk.store.put("a.mp4", blob(b"before")).await.unwrap();
    let output = tokio::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::files::a_full_disk_leaves_no_part_behind"])
        .env(ROOT, format!("file://{}", disk.root().display()))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    assert_eq!(disk.files(), ["a.mp4"]);
    assert_eq!(fs::read(disk.root().join("a.mp4")).unwrap(), b"before");
}
