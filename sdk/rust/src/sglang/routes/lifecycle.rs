//! Taking the engine out of use, and bringing it back.
//!
//! Dynamo's worker calls the engine, then sets discovery by whether the engine is paused; a worker
//! without memory stays listed. Here the worker leaves first, and is not listed while its engine is
//! paused or without some of its memory: each is a reason of its own to stay away
//! ([`service`](crate::service)), so that every order of the four leads back.

use serde_json::{Map, Value};

use super::{check_members, done, tell};
use crate::{Result, service};

pub(super) const ROUTES: &[(&str, &str)] = &[
    ("pause_generation", "Leaves discovery and pauses the engine"),
    ("continue_generation", "Lets the engine go on and comes back"),
    ("release_memory_occupation", "Leaves discovery and gives up the memory of the GPU"),
    ("resume_memory_occupation", "Takes the memory again and comes back"),
];

/// The engine is paused, and what it was at is given up or can be computed again.
const PAUSED: &str = "paused";
/// The engine is paused with requests in its batch. It cannot give up memory then: it would end.
const PAUSED_IN_PLACE: &str = "paused in place";

/// What SGLang gives up if not told what (`GPU_MEMORY_ALL_TYPES`).
const ALL_MEMORY: [&str; 3] = ["kv_cache", "weights", "cuda_graph"];

/// Stops generation. What is in flight goes to other workers, or waits with the mode `retract` or
/// `in_place`.
pub(super) fn pause(body: &Map<String, Value>) -> Result<Value> {
    check_members("pause_generation", body, &["mode"])?;
    let mode = body.get("mode").and_then(Value::as_str).unwrap_or("abort");
    let reason = if mode == "in_place" { PAUSED_IN_PLACE } else { PAUSED };
    away(&[reason], || {
        if mode == "abort" {
            service::drain(true)?;
        }
        tell("pause_generation", body).map(drop)
    })
}

pub(super) fn resume_generation(body: &Map<String, Value>) -> Result<Value> {
    check_members("continue_generation", body, &["torch_empty_cache"])?;
    tell("continue_generation", body)?;
    back([PAUSED, PAUSED_IN_PLACE])
}

/// Gives memory up once nothing is in flight any more. With `abort_all_requests`, which is ours,
/// what is in flight goes to other workers at once.
pub(super) fn release(body: &Map<String, Value>) -> Result<Value> {
    check_members("release_memory_occupation", body, &["tags", "abort_all_requests"])?;
    let mut asked = body.clone();
    let hand_over = asked.remove("abort_all_requests") == Some(Value::Bool(true));
    let reasons = memory(body);
    let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
    away(&reasons, || {
        // What waits in a paused engine cannot end before.
        if hand_over || !service::reasons().iter().any(|reason| reason == PAUSED) {
            service::drain(hand_over)?;
        }
        tell("release_memory_occupation", &asked).map(drop)
    })
}

pub(super) fn resume(body: &Map<String, Value>) -> Result<Value> {
    check_members("resume_memory_occupation", body, &["tags"])?;
    tell("resume_memory_occupation", body)?;
    let reasons = memory(body);
    back(reasons.iter().map(String::as_str))
}

/// A reason for each part of the memory that `body` names.
fn memory(body: &Map<String, Value>) -> Vec<String> {
    let tags = body.get("tags").and_then(Value::as_array).filter(|tags| !tags.is_empty());
    let named = |tag: &str| format!("no memory: {tag}");
    match tags {
        Some(tags) => tags.iter().filter_map(Value::as_str).map(named).collect(),
        None => ALL_MEMORY.map(named).into(),
    }
}

/// Leaves for `reasons`, then does `what`. If that fails the engine is as it was, and so is the
/// worker: reasons that are new are taken back.
fn away(reasons: &[&str], what: impl FnOnce() -> Result<()>) -> Result<Value> {
    let standing = service::reasons();
    let new = reasons.iter().filter(|reason| !standing.iter().any(|other| other == *reason));
    let new: Vec<&str> = new.copied().collect();
    let left = new.iter().try_for_each(|reason| service::leave(reason));
    match left.and_then(|()| what()) {
        Ok(()) => Ok(done()),
        Err(error) => {
            for reason in new {
                if let Err(failure) = service::rejoin(reason) {
                    crate::warn!("the worker stays away ({reason}): {failure:?}");
                }
            }
            Err(error)
        }
    }
}

/// Takes `reasons` back that stand.
fn back<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Result<Value> {
    let standing = service::reasons();
    for reason in reasons {
        if standing.iter().any(|other| other == reason) {
            service::rejoin(reason)?;
        }
    }
    Ok(done())
}
