//! A worker on file discovery that does what its requests say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dynamo_host_failure::Failure;
use dynamo_host_plane::{
    Chunks, Codec, Discovery, Handler, Plane, PlaneConfig, Request, ServeOptions, Served,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::Frontend;

/// Does what the member `do` of a request says.
pub struct Script {
    /// The requests that were seen cancelled.
    pub cancelled: watch::Sender<Vec<String>>,
    /// Answers hang until this is true.
    pub open: watch::Sender<bool>,
}

fn decode(request: &Request) -> Value {
    match request.codec {
        Codec::Json => serde_json::from_slice(&request.body).unwrap(),
        Codec::Msgpack => rmp_serde::from_slice(&request.body).unwrap(),
    }
}

fn chunk(value: &Value) -> Result<Bytes, Failure> {
    Ok(rmp_serde::to_vec_named(value).unwrap().into())
}

#[async_trait]
impl Handler for Script {
    async fn handle(&self, request: Request) -> Result<Chunks, Failure> {
        let body = decode(&request);
        let one = chunk(&json!({"token_ids": [1465]}));
        match body["do"].as_str().unwrap_or("echo") {
            "echo" => {
                let seen = json!({"id": request.id, "body": body, "probe": request.probe});
                Ok(Box::pin(stream::iter([one, chunk(&seen)])))
            }
            "refuse" => Err(Failure::invalid_request("temperature is a number")),
            "fail" => {
                Ok(Box::pin(stream::iter([one, Err(Failure::unavailable("gone")), chunk(&body)])))
            }
            "panic" => panic!("at once"),
            "panic later" => {
                Ok(Box::pin(stream::iter([Some(one), None]).map(|chunk| chunk.unwrap())))
            }
            "wait" => {
                let mut open = self.open.subscribe();
                let rest = async move {
                    open.wait_for(|open| *open).await.unwrap();
                    chunk(&json!({"token_ids": []}))
                };
                Ok(Box::pin(stream::iter([one]).chain(stream::once(rest))))
            }
            "go on" => Ok(Box::pin(stream::repeat(()).then(async |()| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                chunk(&json!({"token_ids": [1465]}))
            }))),
            "until cancelled" => {
                let cancelled = self.cancelled.clone();
                let rest = async move {
                    request.cancelled.cancelled().await;
                    assert!(request.cancelled.is_cancelled());
                    cancelled.send_modify(|ids| ids.push(request.id));
                    chunk(&json!({"token_ids": []}))
                };
                Ok(Box::pin(stream::iter([one]).chain(stream::once(rest))))
            }
            other => panic!("no such script: {other}"),
        }
    }
}

pub struct Worker {
    pub root: TempDir,
    pub plane: Plane,
    pub served: Served,
    pub script: Arc<Script>,
}

impl Worker {
    pub async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = PlaneConfig {
            discovery: Discovery::File(Some(root.path().to_owned())),
            ..PlaneConfig::default()
        };
        let plane = Plane::connect(config).await.unwrap();
        let script = Arc::new(Script {
            cancelled: watch::Sender::new(Vec::new()),
            open: watch::Sender::new(false),
        });
        let options = ServeOptions {
            health_payload: Some(json!({"do": "echo"})),
            labels: vec![("model".to_owned(), "tiny".to_owned())],
            ..ServeOptions::default()
        };
        let endpoint = "dyn://test.backend.generate".parse().unwrap();
        let served = plane.serve(endpoint, script.clone(), options).await.unwrap();
        Worker { root, plane, served, script }
    }

    pub fn records(&self, bucket: &str) -> Vec<Value> {
        records(self.root.path(), bucket)
    }

    pub async fn frontend(&self) -> Frontend {
        let record = &self.records("instances")[0];
        Frontend::new(record["transport"]["tcp"].as_str().unwrap()).await
    }

    pub async fn end(self) {
        self.served.close().await.unwrap();
        self.plane.shutdown().await;
    }
}

/// The records of a bucket, as another process finds them.
pub fn records(root: &Path, bucket: &str) -> Vec<Value> {
    let Ok(files) = std::fs::read_dir(root.join("v1").join(bucket)) else { return Vec::new() };
    files
        .map(|file| file.unwrap())
        .filter(|file| !file.file_name().to_string_lossy().starts_with(".tmp_"))
        .map(|file| serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap())
        .collect()
}

/// Runs a test.
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test);
}
