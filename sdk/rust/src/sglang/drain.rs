//! Following a stream of which only the end matters: a prefill engine's.

use crate::sglang::choices::DONE;
use crate::sglang::errors::check_error_event;
use crate::{Error, Kind, Result, parse_event};
use serde_json::Value;

/// Reads a prefill engine's stream to its end.
#[derive(Debug, Default)]
pub struct Drain {
    is_done: bool,
}

impl Drain {
    /// What the engine says; none for the mark of the stream's end.
    ///
    /// # Errors
    /// What the engine failed with: it has nothing left to do then.
    pub fn read(&mut self, event: &[u8]) -> Result<Option<Value>> {
        if event == DONE {
            self.is_done = true;
            return Ok(None);
        }
        let response: Value = parse_event(event)?;
        if let Err(failure) = check_error_event(&response) {
            self.is_done = true;
            return Err(failure);
        }
        // However it finished: the decode engine knows whether it got what it needs.
        self.is_done |= !response["meta_info"]["finish_reason"].is_null();
        Ok(Some(response))
    }

    /// Whether the engine has nothing left to do.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Checks that the stream has not been cut short.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]: another worker may take over.
    pub fn check_end(&self) -> Result<()> {
        if self.is_done {
            return Ok(());
        }
        let why = "the engine closed its answer before the prompt was done";
        Err(Error::new(Kind::Unavailable, why))
    }
}
