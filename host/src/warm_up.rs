//! Requests an engine answers before anybody is served.

use std::future::pending;
use std::time::Duration;

use dynamo_host_engine::Client;
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_request::{Codec, Incoming, Worker};
use futures::future::try_join_all;
use tokio::time::timeout;

/// How long a warm-up may take: as long as Dynamo's prefill worker gives its own.
const LIMIT: Duration = Duration::from_secs(1800);

/// Sends the plugin's warm-up requests through `worker`, all at once, each to its end. An engine of
/// several data-parallel ranks has every rank at work at the same time.
///
/// # Errors
/// The first that failed, or that they took too long.
pub async fn run(worker: &Worker<Option<Client>>, requests: Vec<Vec<u8>>) -> Result<(), Failure> {
    if requests.is_empty() {
        return Ok(());
    }
    tracing::info!("warming up the engine with {} requests", requests.len());
    let answers = requests.into_iter().enumerate().map(|(i, request)| ask(worker, i, request));
    match timeout(LIMIT, try_join_all(answers)).await {
        Ok(answered) => answered.map(drop),
        Err(_) => {
            Err(Failure::new(Kind::DeadlineExceeded, format!("no answer in {} s", LIMIT.as_secs())))
        }
    }
}

async fn ask(worker: &Worker<Option<Client>>, i: usize, request: Vec<u8>) -> Result<(), Failure> {
    let incoming = Incoming {
        id: format!("warm-up-{i}"),
        payload: request.into(),
        codec: Codec::Json,
        trace_headers: Vec::new(),
        probe: true,
        cancelled: Box::pin(pending()),
    };
    let mut response = worker.respond(incoming).await?;
    while let Some(chunk) = response.next().await {
        chunk?;
    }
    Ok(())
}
