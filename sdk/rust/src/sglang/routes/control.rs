//! Profiles and weights: what changes an engine while it serves.

use serde_json::{Map, Value, json};

use super::{ask, check_members, refused, tell};
use crate::{Error, Result};

/// One route, after SGLang 0.5.23's `managers/io_struct.py`.
pub(super) struct Control {
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// The method of SGLang's server.
    method: &'static str,
    /// Members that must be there.
    required: &'static [&'static str],
    /// Members that may be.
    optional: &'static [&'static str],
    answer: Answer,
}

enum Answer {
    /// Dynamo's words; the server's are of no use.
    Said(&'static str),
    /// The server's, `{"success", "message", ...}`, also where it did not succeed.
    Outcome,
}

const DISTRIBUTED: Control = Control {
    path: "update_weights_from_distributed",
    summary: "Takes weights from a process group of a trainer's",
    method: "update_weights_from_distributed",
    required: &["names", "dtypes", "shapes"],
    optional: &[
        "group_name",
        "flush_cache",
        "abort_all_requests",
        "weight_version",
        "load_format",
        "selector",
        "torch_empty_cache",
    ],
    answer: Answer::Outcome,
};

pub(super) const ROUTES: &[Control] = &[
    Control {
        path: "start_profile",
        summary: "Starts PyTorch's profiler in the engine",
        method: "start_profile",
        required: &[],
        optional: &[
            "output_dir",
            "start_step",
            "num_steps",
            "activities",
            "profile_by_stage",
            "with_stack",
            "record_shapes",
            "profile_id",
            "merge_profiles",
            "profile_prefix",
            "profile_stages",
            "detailed_annotations",
        ],
        answer: Answer::Said("Profiling started"),
    },
    Control {
        path: "stop_profile",
        summary: "Stops the profiler and writes the traces",
        method: "stop_profile",
        required: &[],
        optional: ANYTHING,
        answer: Answer::Said("Profiling stopped"),
    },
    Control {
        path: "update_weights_from_disk",
        summary: "Loads weights from files",
        method: "update_weights_from_disk",
        required: &["model_path"],
        optional: &[
            "load_format",
            "abort_all_requests",
            "weight_version",
            "is_async",
            "torch_empty_cache",
            "keep_pause",
            "recapture_cuda_graph",
            "token_step",
            "flush_cache",
            "manifest",
        ],
        answer: Answer::Outcome,
    },
    Control {
        path: "update_weights_from_tensor",
        summary: "Takes weights from the body, in base64",
        method: "update_weights_from_tensor",
        required: &["serialized_named_tensors"],
        optional: &[
            "load_format",
            "flush_cache",
            "abort_all_requests",
            "weight_version",
            "selector",
            "torch_empty_cache",
        ],
        answer: Answer::Outcome,
    },
    DISTRIBUTED,
    // As the reference page spells it.
    Control { path: "update_weights_from_distributor", ..DISTRIBUTED },
    Control {
        path: "update_weights_from_ipc",
        summary: "Takes weights from a process on this machine",
        method: "update_weights_from_ipc",
        required: &["zmq_handles"],
        optional: &["flush_cache", "weight_version", "torch_empty_cache"],
        answer: Answer::Outcome,
    },
    Control {
        path: "update_weight_version",
        summary: "Names the weights anew; gives up every request unless told not to",
        method: "update_weight_version",
        required: &["new_version"],
        optional: &["abort_all_requests"],
        answer: Answer::Outcome,
    },
];

/// The body is not looked at, nor sent.
const ANYTHING: &[&str] = &["*"];

impl Control {
    pub(super) fn handle(&self, body: &Map<String, Value>) -> Result<Value> {
        let nothing = Map::new();
        let body = if self.optional == ANYTHING { &nothing } else { body };
        self.check(body)?;
        match self.answer {
            Answer::Said(message) => {
                tell(self.method, body)?;
                Ok(json!({"status": "ok", "message": message}))
            }
            Answer::Outcome => {
                let reply = ask(self.method, body)?;
                match serde_json::from_slice::<Value>(&reply.body) {
                    Ok(outcome) if outcome["success"].is_boolean() => Ok(outcome),
                    _ => Err(refused(self.method, reply.status, &reply.body)),
                }
            }
        }
    }

    fn check(&self, body: &Map<String, Value>) -> Result<()> {
        check_members(self.path, body, &[self.required, self.optional].concat())?;
        match self.required.iter().find(|name| !body.contains_key(**name)) {
            None => Ok(()),
            Some(name) => {
                Err(Error::invalid_request(format!("/engine/{}: `{name}` is missing", self.path)))
            }
        }
    }
}
