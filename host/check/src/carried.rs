//! Cases inside a component: a custom section, in the component itself or in a module in it.

use std::path::PathBuf;

use serde_json::Value;
use wasmparser::{Parser, Payload};

use crate::case::Case;
use crate::files;

/// The section's name. Its content is one case file, or several one after another; a component may
/// have it more than once.
pub const SECTION: &str = "dynamo:worker/cases";

/// Cases that a component cannot carry, or carries in a form nobody can read.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    /// The component is damaged.
    #[error("the component cannot be read: {0}")]
    Component(#[from] wasmparser::BinaryReaderError),
    /// What it carries is no case.
    #[error("case {number} that the component carries: {reason}")]
    Malformed {
        /// Its number, from 1.
        number: usize,
        /// What is wrong, and where in the case.
        reason: String,
    },
    /// What is to be carried is no case.
    #[error("{0}")]
    Given(String),
}

/// The cases `component` carries.
pub(crate) fn cases(component: &[u8]) -> Result<Vec<Case>, CarriedError> {
    let mut cases = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let Payload::CustomSection(section) = payload? else { continue };
        if section.name() != SECTION {
            continue;
        }
        for document in serde_json::Deserializer::from_slice(section.data()).into_iter::<Value>() {
            let case = document.map_err(|error| error.to_string()).and_then(Case::of);
            let number = cases.len() + 1;
            cases.push(case.map_err(|reason| CarriedError::Malformed { number, reason })?);
        }
    }
    Ok(cases)
}

/// `component` with the case files among `paths`, and in the folders among them, added to those it
/// carries.
///
/// # Errors
/// One of them is no case, or cannot be read; or that is true of the component, or of what it carries.
pub fn carrying(component: &[u8], paths: &[PathBuf]) -> Result<Vec<u8>, CarriedError> {
    let mut carrying = component.to_vec();
    for found in files::find(paths) {
        let path = found.map_err(|error| CarriedError::Given(error.to_string()))?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CarriedError::Given(format!("{}: {error}", path.display())))?;
        Case::parse(&text)
            .map_err(|reason| CarriedError::Given(format!("{}: {reason}", path.display())))?;
        append(&mut carrying, text.as_bytes());
    }
    // A component that is cut off may swallow what is put behind it.
    cases(&carrying)?;
    Ok(carrying)
}

/// Adds a custom section: its number, its length, its name with a length, and the rest.
fn append(component: &mut Vec<u8>, content: &[u8]) {
    let mut body = Vec::with_capacity(content.len() + SECTION.len() + 5);
    leb128(&mut body, SECTION.len());
    body.extend_from_slice(SECTION.as_bytes());
    body.extend_from_slice(content);
    component.push(0);
    leb128(component, body.len());
    component.extend_from_slice(&body);
}

/// Writes a length as WebAssembly does.
fn leb128(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A component with nothing in it.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn case(name: &str) -> String {
        format!(r#"{{"format": 1, "name": "{name}", "registration": {{}}}}"#)
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(format!("{name}.json")), case(name)).unwrap();
        }
        let component = carrying(EMPTY, &[folder.path().to_owned()]).unwrap();
        let component = carrying(&component, &[folder.path().join("a.json")]).unwrap();
        let names: Vec<String> =
            cases(&component).unwrap().into_iter().map(|case| case.name).collect();
        assert_eq!(names, ["a", "b", "a"]);
        assert!(cases(EMPTY).unwrap().is_empty());
    }

    #[test]
    fn a_component_that_is_cut_off_carries_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, case("a")).unwrap();
        // A component within, of which 30 bytes are missing.
        let cut = [EMPTY, b"\x04\x26", EMPTY].concat();
        let error = carrying(&cut, &[path]).unwrap_err();
        assert!(matches!(error, CarriedError::Component(_)), "{error}");
    }

    #[test]
    fn several_cases_may_follow_one_another() {
        let mut component = EMPTY.to_vec();
        append(&mut component, format!("{}\n{}", case("a"), case("b")).as_bytes());
        assert_eq!(cases(&component).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_case_is_refused_on_both_ways() {
        let mut component = EMPTY.to_vec();
        append(&mut component, case("a").as_bytes());
        append(&mut component, b"{\"format\": 2}");
        let error = cases(&component).unwrap_err().to_string();
        assert!(error.contains("case 2"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        std::fs::write(&path, "{}").unwrap();
        let error = carrying(EMPTY, std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
