//! Response chunks on their way out, engine events on their way in.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The chunks of a response, in order. Each is written once, as the MessagePack the host sends.
#[derive(Debug, Default)]
pub struct Chunks {
    encoded: Vec<Vec<u8>>,
}

/// Room for one token's chunk without growing.
const TYPICAL_CHUNK: usize = 192;

impl Chunks {
    /// Appends a chunk.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::Kind) if `chunk` does not serialize.
    pub fn send<T: Serialize + ?Sized>(&mut self, chunk: &T) -> Result<()> {
        let mut bytes = Vec::with_capacity(TYPICAL_CHUNK);
        chunk.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
        self.encoded.push(bytes);
        Ok(())
    }

    /// How many chunks there are.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The chunks as the host takes them.
    pub fn into_encoded(self) -> Vec<Vec<u8>> {
        self.encoded
    }
}

/// Parses an event of the engine's answer as JSON.
///
/// # Errors
/// [`Kind::BackendProtocol`](crate::Kind), showing the beginning of what came.
pub fn parse_event<'a, T: Deserialize<'a>>(event: &'a [u8]) -> Result<T> {
    serde_json::from_slice(event).map_err(|error| {
        let shown = String::from_utf8_lossy(&event[..event.len().min(120)]);
        Error::backend_protocol(format!("the engine sent malformed JSON ({error}): {shown}"))
    })
}
