//! What a plugin says of itself, in the words of a case.

use dynamo_host_plugin::{Input, Registration};
use serde_json::{Value, json};

/// A registration, with its `runtime_config` once that is read.
pub fn registration(registration: &Registration, runtime_config: Option<Value>) -> Value {
    json!({
        "model_types": registration.model_types,
        "input": match registration.input {
            Input::Tokens => "tokens",
            Input::Text => "text",
            Input::Tensor => "tensor",
        },
        "worker_type": registration.worker_type,
        "needs": registration.needs,
        "component": registration.component,
        "kv_cache_block_size": registration.kv_cache_block_size,
        "runtime_config": runtime_config,
        "concurrency": registration.concurrency,
    })
}
