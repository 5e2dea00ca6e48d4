//! Names of media in a store. Parts of them come from clients: a user, a request's id.

use dynamo_host_failure::Failure;

use crate::error::shortened;

/// In bytes. Object stores take 1024 with the operator's prefix.
const LONGEST_NAME: usize = 768;

/// In bytes. File systems take 255, with what marks a file that is being written.
const LONGEST_PART: usize = 240;

/// Refuses names that lead out of the store, or that not every store can keep.
pub(super) fn check(name: &str) -> Result<(), Failure> {
    problem(name).map_or(Ok(()), |problem| Err(Failure::invalid_request(message(name, problem))))
}

/// What the client reads.
pub(super) fn message(name: &str, problem: &str) -> String {
    format!("the medium cannot be named \"{}\": {problem}", shortened(name))
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("the name is empty");
    }
    if name.len() > LONGEST_NAME || name.split('/').any(|part| part.len() > LONGEST_PART) {
        return Some("it is too long");
    }
    if name.chars().any(|character| character.is_control() || character == '\\') {
        return Some("it has a control character or a backslash");
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("it is not a plain relative path");
    }
    let (_, suffix) = name.rsplit_once('#').unwrap_or_default();
    if !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("# and a number at its end mark a file that is being written");
    }
    None
}
