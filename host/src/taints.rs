//! The route `/engine/update/model_taints`, which every worker of Dynamo's has: marks by which routers
//! keep requests away (`common/model_taints.py` of 1.6.1).

use std::collections::BTreeSet;
use std::sync::Arc;

use dynamo_host_failure::Failure;
use dynamo_host_plane::RouteHandler;
use serde_json::{Value, json};

use crate::service::Service;

/// Its path, below `/engine/`.
pub const ROUTE: &str = "update/model_taints";

/// Marks of where a worker is. Dynamo makes them itself.
const TOPOLOGY: &str = "dynamo.topology/";

/// Marks the endpoints of `service`.
pub fn route(service: Arc<Service>) -> RouteHandler {
    Arc::new(move |body| {
        let service = service.clone();
        Box::pin(async move {
            let taints = read(&body)?;
            let marked = service.mark(&taints).await;
            marked.map_err(|error| Failure::unavailable(error.to_string()))?;
            Ok(json!({"status": "ok", "taints": taints}))
        })
    })
}

/// The marks that `body` asks for.
fn read(body: &Value) -> Result<BTreeSet<String>, Failure> {
    let list = body.get("taints").and_then(Value::as_array);
    let texts: Option<BTreeSet<String>> =
        list.and_then(|list| list.iter().map(|taint| taint.as_str().map(String::from)).collect());
    let Some(taints) = texts else {
        return Err(Failure::invalid_request("`taints` must be a list of strings"));
    };
    match taints.iter().find(|taint| taint.starts_with(TOPOLOGY)) {
        None => Ok(taints),
        Some(taint) => Err(Failure::invalid_request(format!(
            "taint `{taint}`: what begins with {TOPOLOGY} is Dynamo's own"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_are_read_as_dynamos_workers_read_them() {
        let vectors = include_str!("../../tests/vectors/engine_routes.json");
        let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
        let path = format!("/engine/{ROUTE}");
        let ours = vectors.iter().filter(|vector| vector["input"]["path"] == path.as_str());
        let mut count = 0;
        for vector in ours {
            let read = read(&vector["input"]["body"]);
            match &vector["expected"]["response"] {
                Value::Null => {
                    let class = read.unwrap_err().kind.class();
                    assert_eq!(vector["expected"]["error"]["dynamo"]["class"], class);
                }
                response => assert_eq!(response["taints"], json!(read.unwrap())),
            }
            count += 1;
        }
        assert!(count >= 3);
    }
}
