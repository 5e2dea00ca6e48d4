//! Finding a plugin by its name.

use std::env;
use std::path::{Path, PathBuf};

/// Where plugins are looked up, beside the program's own folder.
const PLUGIN_DIR: &str = "DYN_HOST_PLUGIN_DIR";

/// No file for a plugin's name.
#[derive(Debug, thiserror::Error)]
#[error("there is no plugin `{name}`: looked for {}", places(tried))]
pub struct NoSuchPlugin {
    name: String,
    tried: Vec<PathBuf>,
}

fn places(tried: &[PathBuf]) -> String {
    let places: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
    places.join(", ")
}

/// What a plugin that is named so is called for short: the last part of a path or an address,
/// without its ending.
pub fn name(plugin: &str) -> String {
    let last = plugin.rsplit('/').next().unwrap_or(plugin);
    last.strip_suffix(".wasm").unwrap_or(last).to_owned()
}

/// The file of the plugin `name`: itself if it is a path, otherwise `name.wasm` beside the program
/// or in `DYN_HOST_PLUGIN_DIR` (whose folders are separated as in `PATH`).
///
/// # Errors
/// [`NoSuchPlugin`] names every place that was looked at.
pub fn plugin(name: &str) -> Result<PathBuf, NoSuchPlugin> {
    let beside = env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let configured = env::var_os(PLUGIN_DIR).unwrap_or_default();
    let folders = env::split_paths(&configured).filter(|folder| !folder.as_os_str().is_empty());
    plugin_in(name, folders.chain(beside))
}

/// Whether `plugin` is looked up by its name, and not brought as a file or from elsewhere.
pub fn is_looked_up(plugin: &str) -> bool {
    let path = Path::new(plugin);
    path.components().count() == 1 && !path.exists()
}

fn plugin_in(name: &str, folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, NoSuchPlugin> {
    if !is_looked_up(name) {
        // What is wrong with a path that is given is for the loader to say.
        return Ok(PathBuf::from(name));
    }
    let file = if name.ends_with(".wasm") { name.to_owned() } else { format!("{name}.wasm") };
    let tried: Vec<PathBuf> = folders.map(|folder| folder.join(&file)).collect();
    match tried.iter().find(|path| path.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(NoSuchPlugin { name: name.to_owned(), tried }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_a_path_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.wasm"), "").unwrap();
        let find = |name| plugin_in(name, [folder.path().to_owned()].into_iter());
        assert_eq!(find("a").unwrap(), folder.path().join("a.wasm"));
        assert_eq!(find("a.wasm").unwrap(), folder.path().join("a.wasm"));
        assert_eq!(find("./b.wasm").unwrap(), PathBuf::from("./b.wasm"));
        let error = find("b").unwrap_err().to_string();
        assert!(error.contains("`b`") && error.contains("b.wasm"), "{error}");
    }
}
