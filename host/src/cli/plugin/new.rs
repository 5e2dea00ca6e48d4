//! A new plugin's project.
//!
//! The SDK and the contract are written along, as this host was built with: no registry has them, the
//! project builds wherever it lies, and what it is built for is what its author can read beside it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use include_dir::{Dir, DirEntry, include_dir};

use super::Failed;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/templates");
static RUST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/rust");
static PYTHON_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/python");
static JS_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../sdk/js");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");

/// Under these names the templates know themselves.
const NAME: &str = "my_worker";
const TYPE_NAME: &str = "MyWorker";

/// The folder of a project in which SDK and contract lie, as in the host's own repository.
const ALONG: &str = "dynamo-worker";

/// What tools leave in a folder: nobody's source.
const LEFT_BEHIND: [&str; 3] = ["__pycache__", "node_modules", "target"];

/// Writes a new plugin's project, which builds and passes its own check as it is.
#[derive(Debug, Args)]
pub(super) struct NewArguments {
    /// The plugin's name, and that of its folder: lower-case letters, digits and `_`.
    #[arg(value_parser = plugin_name)]
    name: String,

    /// The language it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,

    /// The folder to write the project's folder into.
    #[arg(long, default_value = ".")]
    into: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    Python,
    Js,
}

impl Language {
    /// The folder of its template, and of its SDK.
    const fn folder(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::Js => "js",
        }
    }

    fn sdk(self) -> &'static Dir<'static> {
        match self {
            Language::Rust => &RUST_SDK,
            Language::Python => &PYTHON_SDK,
            Language::Js => &JS_SDK,
        }
    }
}

fn plugin_name(name: &str) -> Result<String, &'static str> {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    match begins && name.chars().all(allowed) {
        true => Ok(name.to_owned()),
        false => Err("lower-case letters, digits and `_`, a letter first"),
    }
}

pub(super) fn run(arguments: &NewArguments) -> Result<(), Failed> {
    let NewArguments { name, lang, into } = arguments;
    let project = into.join(name);
    fs::create_dir(&project)
        .map_err(|error| format!("cannot make the folder {}: {error}", project.display()))?;
    write_project(&project, name, *lang)
        .map_err(|error| format!("cannot write the project {}: {error}", project.display()))?;
    println!("{} is ready: its README.md says how to build and check it", project.display());
    Ok(())
}

fn write_project(project: &Path, name: &str, lang: Language) -> io::Result<()> {
    let renamed = |text: &str| text.replace(NAME, name).replace(TYPE_NAME, &type_name(name));
    let template = |folder| TEMPLATES.get_dir(folder).into_iter().flat_map(Dir::entries);
    write(template(lang.folder()), project, &renamed)?;
    write(template("cases"), &project.join("cases"), &renamed)?;
    let along = project.join(ALONG);
    let as_it_is = |text: &str| text.to_owned();
    write(lang.sdk().entries(), &along.join("sdk").join(lang.folder()), &as_it_is)?;
    write(WIT.entries(), &along.join("wit"), &as_it_is)
}

/// Writes files and folders into `to`. Their paths begin at the root of what was included: only their
/// last part counts here.
fn write<'a>(
    entries: impl IntoIterator<Item = &'a DirEntry<'a>>,
    to: &Path,
    text: &impl Fn(&str) -> String,
) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in entries {
        let Some(name) = entry.path().file_name().and_then(|name| name.to_str()) else { continue };
        if LEFT_BEHIND.contains(&name) {
            continue;
        }
        let at = to.join(text(name));
        match entry {
            DirEntry::Dir(folder) => write(folder.entries(), &at, text)?,
            DirEntry::File(file) => {
                match file.contents_utf8() {
                    Some(contents) => fs::write(&at, text(contents))?,
                    None => fs::write(&at, file.contents())?,
                }
                if name.ends_with(".sh") {
                    fs::set_permissions(&at, fs::Permissions::from_mode(0o755))?;
                }
            }
        }
    }
    Ok(())
}

/// `my_worker` as the name of a type: `MyWorker`.
fn type_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files.extend(self::files(&path)),
                false => files.push(path),
            }
        }
        files
    }

    #[test]
    fn a_project_has_its_own_name_everywhere_and_everything_it_needs_beside_it() {
        for (lang, source) in [
            (Language::Rust, "src/lib.rs"),
            (Language::Python, "echo_2.py"),
            (Language::Js, "echo_2.js"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let arguments =
                NewArguments { name: "echo_2".into(), lang, into: folder.path().to_owned() };
            run(&arguments).unwrap();
            let project = folder.path().join("echo_2");
            let source = fs::read_to_string(project.join(source)).unwrap();
            assert!(source.contains("echo_2") && source.contains("Echo2"), "{source}");
            for needed in ["README.md", "cases/chat.json", "dynamo-worker/wit/v0.1/worker.wit"] {
                assert!(project.join(needed).is_file(), "{lang:?}: {needed}");
            }
            let along = project.join(ALONG);
            for file in files(&project).iter().filter(|file| !file.starts_with(&along)) {
                let text = fs::read_to_string(file).unwrap();
                assert!(!text.contains(NAME) && !text.contains(TYPE_NAME), "{}", file.display());
            }
            assert!(run(&arguments).is_err(), "what is there is not overwritten");
        }
    }

    #[test]
    fn a_name_is_one_of_a_file_and_of_a_type() {
        assert_eq!(type_name("my_worker"), TYPE_NAME);
        for wrong in ["", "1a", "_a", "A", "a-b", "a/b", "é"] {
            assert!(plugin_name(wrong).is_err(), "{wrong}");
        }
    }
}
