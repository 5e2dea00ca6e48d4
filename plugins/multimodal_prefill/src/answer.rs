//! What becomes of the engine's stream.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::choices::DONE;
use dynamo_worker_sdk::sglang::errors::check_error_event;
use dynamo_worker_sdk::sglang::multimodal::Fault;

/// Drains the engine's stream: whoever asked has been told all there is to know, unless it fails.
#[derive(Debug)]
pub struct Answer {
    fault: Fault,
    engine_is_done: bool,
}

impl Answer {
    pub(crate) fn new(fault: Fault) -> Self {
        Answer { fault, engine_is_done: false }
    }

    /// An answer that only says what failed.
    pub(crate) fn told(error: Error, fault: Fault) -> Result<Plan<Self>> {
        let mut chunks = Chunks::default();
        fault.tell(error, &mut chunks)?;
        Ok(Plan::answered(chunks, Answer::new(fault)))
    }
}

impl Converter for Answer {
    fn engine_is_done(&self) -> bool {
        self.engine_is_done
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        if event == DONE {
            self.engine_is_done = true;
            return Ok(Flow::Continue);
        }
        let response: Json = parse_event(event)?;
        if let Err(failure) = check_error_event(&response) {
            self.engine_is_done = true;
            self.fault.tell(failure, chunks)?;
            return Ok(Flow::Done);
        }
        // However it finished: the decode engine knows whether it got what it needs.
        self.engine_is_done |= !response["meta_info"]["finish_reason"].is_null();
        if self.fault == Fault::Failure {
            // Whoever checks the worker's health wants to see the engine at work.
            chunks.send(&response)?;
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        if self.engine_is_done {
            return Ok(());
        }
        Err(Error::new(
            Kind::Unavailable,
            "the engine closed its answer before the prompt was done",
        ))
    }
}
