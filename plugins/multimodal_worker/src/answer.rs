//! What becomes of the engine's stream.

use dynamo_worker_sdk::peers::Reply;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::multimodal::{Fault, Frames};

/// Frames, and with them what holds the prompt's other half open.
#[derive(Debug)]
pub struct Answer {
    frames: Frames,
    /// The prefill worker's response. To let go of it is to give the transfer up.
    _prefill: Option<Reply>,
}

impl Answer {
    /// Of the engine, while `prefill` hands over the prompt.
    pub(crate) fn new(frames: Frames, prefill: Option<Reply>) -> Self {
        Answer { frames, _prefill: prefill }
    }

    /// An answer that only says what failed.
    pub(crate) fn told(error: Error) -> Result<Plan<Self>> {
        let fault = Fault::Frame { room: None };
        let mut chunks = Chunks::default();
        fault.tell(error, &mut chunks)?;
        Ok(Plan::answered(chunks, Answer::new(Frames::new(None, fault), None)))
    }
}

impl Converter for Answer {
    fn engine_is_done(&self) -> bool {
        self.frames.engine_is_done()
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        self.frames.event(event, chunks)
    }

    fn finish(&mut self, chunks: &mut Chunks) -> Result<()> {
        self.frames.finish(chunks)
    }
}
