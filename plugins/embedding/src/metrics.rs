//! What Dynamo's embedding worker counts (`request_handlers/embedding/metrics.py`), by the same names.

use dynamo_worker_sdk::Metric;
use dynamo_worker_sdk::metrics::{histogram, record};

/// Positions in [`declared`].
const BATCH_SIZE: u32 = 0;
const INPUT_TOKENS: u32 = 1;

/// The worker's metrics.
pub(crate) fn declared() -> Vec<Metric> {
    vec![
        histogram(
            "dynamo_embedding_batch_size",
            "Inputs of an embedding request that was answered",
            &["model"],
            &[1., 2., 4., 8., 16., 32., 64., 128., 256., 512., 1024., 2048.],
        ),
        histogram(
            "dynamo_embedding_input_tokens",
            "Tokens of all inputs of an embedding request that was answered",
            &["model"],
            &[1., 4., 16., 64., 128., 256., 512., 1024., 2048., 4096., 8192.],
        ),
    ]
}

/// Counts one answer, under the name the client has for the model.
pub(crate) fn answered(model: &str, inputs: usize, tokens: u64) {
    record(BATCH_SIZE, inputs as f64, &[model]);
    record(INPUT_TOKENS, tokens as f64, &[model]);
}
