//! A video of 100 MB, from the engine to a client in base64.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use dynamo_host_blob::Blob;
use serde_json::json;
use tokio::process::Command;

use crate::engine::VIDEO_BYTES;
use crate::error::BenchError;
use crate::load::Load;
use crate::process::{Subject, endpoint};
use crate::report::{Budget, Row};

pub async fn rows(
    mut host: Command,
    rounds: usize,
    load: &Load,
    logs: &Path,
) -> Result<[Row; 2], BenchError> {
    host.args(["--plugin-grant", "media", "--endpoint", &endpoint("videos")]);
    let request = json!({
        "prompt": "a quiet night by the sea", "model": "bench", "size": "64x64", "seconds": 1,
        "response_format": "b64_json",
    });
    let request = request.to_string().into_bytes();
    let makes = async |subject: &Subject| load.whole(subject, request.clone()).await.is_ok();
    let mut peaks = Vec::new();
    let subject = Subject::start("videos", host, logs, Duration::from_millis(200), makes).await?;
    for _ in 0..rounds {
        let before = subject.forget_peak()?;
        let answer = load.whole(&subject, request.clone()).await?;
        let base64 = VIDEO_BYTES.div_ceil(3) * 4;
        if answer < base64 {
            return Err(BenchError::Short {
                subject: "videos".into(),
                got: answer,
                wanted: base64,
            });
        }
        peaks.push(subject.peak()?.saturating_sub(before) as f64 / VIDEO_BYTES as f64);
    }
    subject.stop().await?;
    let rates: Vec<f64> = (0..rounds).map(|_| encoded()).collect();
    Ok([
        Row::new("peak memory of a video of 100 MB", "x", &peaks, &[], &[], &[Budget::AtMost(1.5)]),
        Row::new("video written in base64", "GB/s", &rates, &[], &[], &[Budget::AtLeast(1.0)]),
    ])
}

/// How fast a blob is written: into memory that is there, as that of a kernel's first touch is not
/// the encoder's.
fn encoded() -> f64 {
    let bytes = vec![7; VIDEO_BYTES];
    let mut base64 = Vec::new();
    Blob::new("video/mp4", bytes.clone()).write_base64(&mut base64);
    base64.clear();
    let blob = Blob::new("video/mp4", bytes);
    let began = Instant::now();
    blob.write_base64(&mut base64);
    let took = began.elapsed();
    black_box(&base64);
    VIDEO_BYTES as f64 / 1e9 / took.as_secs_f64()
}
