//! What becomes of the engine's stream.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::drain::Drain;
use dynamo_worker_sdk::sglang::multimodal::Fault;

/// Drains the engine's stream: whoever asked has been told all there is to know, unless it fails.
#[derive(Debug)]
pub struct Answer {
    fault: Fault,
    stream: Drain,
}

impl Answer {
    pub(crate) fn new(fault: Fault) -> Self {
        Answer { fault, stream: Drain::default() }
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
        self.stream.is_done()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        match self.stream.read(event) {
            // Whoever checks the worker's health wants to see the engine at work.
            Ok(Some(response)) if self.fault == Fault::Failure => chunks.send(&response)?,
            Err(failure) if self.stream.is_done() => {
                self.fault.tell(failure, chunks)?;
                return Ok(Flow::Done);
            }
            read => drop(read?),
        }
        Ok(Flow::Continue)
    }

    fn finish(&mut self, _: &mut Chunks) -> Result<()> {
        self.stream.check_end()
    }
}
