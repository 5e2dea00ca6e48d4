//! `--disagg-config` and `--disagg-config-key`: the engine's flags, from a section of a file.
//!
//! Mirrors `_load_disagg_config_section` of `dynamo.sglang` 1.6.1: the section replaces whatever
//! `--config` was given and goes to the engine as a file. There the file lives until it is parsed;
//! here the engine is a process that may be started again, so it lives as long as the host.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};
use tempfile::TempPath;

use super::engine_words::{key, read_yaml};

/// Why the engine's flags cannot be had from `--disagg-config`.
#[derive(Debug, thiserror::Error)]
pub enum DisaggConfigError {
    /// No file there.
    #[error("there is no file {} (--disagg-config)", path.display())]
    NoFile {
        /// What was given.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {} (--disagg-config): {error}", path.display())]
    Unreadable {
        /// What was given.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is not YAML.
    #[error("{} (--disagg-config) is not YAML: {error}", path.display())]
    NotYaml {
        /// What was given.
        path: PathBuf,
        /// What is wrong, and where.
        error: serde_yaml::Error,
    },
    /// The file has no sections.
    #[error(
        "{} (--disagg-config) has no sections: it must map names such as `prefill` to flags, and is \
         {what}",
        path.display()
    )]
    NoSections {
        /// What was given.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The file has no such section.
    #[error(
        "{} (--disagg-config) has no section `{key}` (--disagg-config-key); there {}",
        path.display(),
        sections(available)
    )]
    NoSection {
        /// The file.
        path: PathBuf,
        /// What was given.
        key: String,
        /// The sections it has.
        available: Vec<String>,
    },
    /// The section holds no flags.
    #[error(
        "section `{key}` of {} (--disagg-config-key) must map flags of the engine to values, and is \
         {what}",
        path.display()
    )]
    NotAMapping {
        /// The file.
        path: PathBuf,
        /// The section.
        key: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The section names a flag by something that is no name.
    #[error(
        "section `{key}` of {} (--disagg-config-key) must map names of the engine's flags to \
         values, and has {what} for a name",
        path.display()
    )]
    NotAName {
        /// The file.
        path: PathBuf,
        /// The section.
        key: String,
        /// What the name is.
        what: &'static str,
    },
    /// The section gives a flag a tag.
    #[error(
        "section `{key}` of {} (--disagg-config-key) gives `{flag}` the tag `{tag}`, which SGLang \
         does not read: leave the tag out",
        path.display()
    )]
    Tagged {
        /// The file.
        path: PathBuf,
        /// The section.
        key: String,
        /// The flag.
        flag: String,
        /// Its tag, or that of a value within its value.
        tag: String,
    },
    /// The section has a flag of the host's.
    #[error(
        "section `{key}` of {} (--disagg-config-key) has `{flag}`, which is not a flag of the \
         engine: give --{flag} on the command line",
        path.display()
    )]
    NotTheEngines {
        /// The file.
        path: PathBuf,
        /// The section.
        key: String,
        /// The flag.
        flag: String,
    },
    /// The file for the engine cannot be written.
    #[error("cannot write the engine's flags to a file in {}: {error}", folder.display())]
    Unwritable {
        /// Where it should go.
        folder: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

/// The section `key` of the file `path`. `is_ours` tells the host's own flags.
///
/// # Errors
/// What is wrong with the file or the section.
pub(super) fn section(
    path: &Path,
    key: &str,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Mapping, DisaggConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => DisaggConfigError::NoFile { path: path.to_owned() },
        _ => DisaggConfigError::Unreadable { path: path.to_owned(), error },
    })?;
    section_of(&text, path, key, is_ours)
}

/// The section `key` of `text`, which stands in the file `path`.
pub(super) fn section_of(
    text: &str,
    path: &Path,
    key: &str,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Mapping, DisaggConfigError> {
    let path_buf = || path.to_owned();
    let sections: Mapping = match read_yaml(text) {
        Ok(Value::Mapping(sections)) => sections,
        Ok(other) => {
            return Err(DisaggConfigError::NoSections { path: path_buf(), what: what(&other) });
        }
        Err(error) => return Err(DisaggConfigError::NotYaml { path: path_buf(), error }),
    };
    match sections.get(key) {
        Some(Value::Mapping(section)) => {
            for (name, value) in section {
                let (path, key) = (path_buf(), key.to_owned());
                let Some(flag) = self::key(name) else {
                    return Err(DisaggConfigError::NotAName { path, key, what: what(name) });
                };
                if is_ours(&flag) {
                    return Err(DisaggConfigError::NotTheEngines { path, key, flag });
                }
                if let Some(tag) = tag_within(value) {
                    return Err(DisaggConfigError::Tagged { path, key, flag, tag });
                }
            }
            Ok(section.clone())
        }
        Some(other) => Err(DisaggConfigError::NotAMapping {
            path: path_buf(),
            key: key.to_owned(),
            what: what(other),
        }),
        None => Err(DisaggConfigError::NoSection {
            path: path_buf(),
            key: key.to_owned(),
            available: sections.keys().filter_map(Value::as_str).map(String::from).collect(),
        }),
    }
}

/// A file with `section`, which vanishes with the value.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(section: &Mapping) -> Result<TempPath, DisaggConfigError> {
    let written = || {
        let mut file =
            tempfile::Builder::new().prefix("dynamo_config_").suffix(".yaml").tempfile()?;
        let text = serde_yaml::to_string(section).map_err(std::io::Error::other)?;
        file.write_all(text.as_bytes())?;
        Ok(file.into_temp_path())
    };
    written().map_err(|error| DisaggConfigError::Unwritable { folder: std::env::temp_dir(), error })
}

/// The first tag of a value, or of one within it.
fn tag_within(value: &Value) -> Option<String> {
    match value {
        Value::Tagged(tagged) => Some(tagged.tag.to_string()),
        Value::Sequence(values) => values.iter().find_map(tag_within),
        Value::Mapping(values) => {
            values.iter().find_map(|(name, value)| tag_within(name).or_else(|| tag_within(value)))
        }
        _ => None,
    }
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a value with a tag",
    }
}

fn sections(available: &[String]) -> String {
    match available {
        [] => "is none".to_owned(),
        [one] => format!("is only `{one}`"),
        all => format!("are `{}`", all.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn section_of(yaml: &str, key: &str) -> Result<Mapping, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, yaml).unwrap();
        section(&path, key, |flag| flag == "namespace").map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_the_section() {
        let section = section_of("a: {tp: 2, x-y: yes}\nb: 1", "a").unwrap();
        let path = write(&section).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "tp: 2\nx-y: true\n");
        let place = path.to_path_buf();
        drop(path);
        assert!(!place.exists());
    }

    #[test]
    fn each_mistake_has_its_message() {
        for (yaml, key, message) in [
            ("a: {}\nb: {}", "c", "no section `c`"),
            ("a: {}\nb: {}", "c", "there are `a`, `b`"),
            ("a: 1", "a", "and is a number"),
            ("a:", "a", "and is empty"),
            ("- a", "a", "has no sections"),
            ("", "a", "has no sections"),
            ("a: [", "a", "is not YAML"),
            ("a: {namespace: x}", "a", "has `namespace`"),
            ("a: {1: x}", "a", "has a number for a name"),
            ("a: {!x tp: 2}", "a", "has a value with a tag for a name"),
            ("a: {tp: [!env 2]}", "a", "gives `tp` the tag `!env`"),
        ] {
            let error = section_of(yaml, key).unwrap_err();
            assert!(error.contains(message), "{yaml}: {error}");
            assert!(error.contains("config.yaml"), "{yaml}: {error}");
        }
        let error = section(Path::new("/no/such.yaml"), "a", |_| false).unwrap_err().to_string();
        assert_eq!(error, "there is no file /no/such.yaml (--disagg-config)");
    }
}
