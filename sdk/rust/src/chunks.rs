//! Response chunks on their way out, engine events on their way in.

use serde::{Deserialize, Serialize};

use crate::calls::{Inlay, InlayForm};
use crate::media::Blob;
use crate::{Error, Result};

/// The chunks of a response, in order. Each is written once, as the MessagePack the host sends.
#[derive(Debug, Default)]
pub struct Chunks {
    encoded: Vec<Vec<u8>>,
    /// By the chunk's position.
    pub(crate) inlays: Vec<(u32, Inlay)>,
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

    /// Appends a chunk in which the host writes `blob` where the JSON pointer `at` leads, in base64.
    /// Something must stand there, such as null.
    ///
    /// # Errors
    /// As [`Chunks::send`].
    pub fn send_with<T: Serialize + ?Sized>(
        &mut self,
        chunk: &T,
        at: &str,
        blob: Blob,
    ) -> Result<()> {
        let inlay = Inlay { at: at.into(), blob, form: InlayForm::Base64 };
        self.inlays.push((self.encoded.len() as u32, inlay));
        self.send(chunk)
    }

    /// Appends a chunk that is encoded already, such as one of another worker's.
    pub fn send_encoded(&mut self, chunk: Vec<u8>) {
        self.encoded.push(chunk);
    }

    /// How many chunks there are.
    pub fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The chunks as the host takes them, without their media.
    pub fn into_encoded(self) -> Vec<Vec<u8>> {
        self.encoded
    }
}

/// Parses an event of the engine's answer as JSON.
///
/// # Errors
/// [`Kind::BackendProtocol`](crate::Kind), showing the beginning of what came.
pub fn parse_event<'a, T: Deserialize<'a>>(event: &'a [u8]) -> Result<T> {
    // All at once is faster than string by string. What is not UTF-8 is left to the parser to name.
    let parsed = match std::str::from_utf8(event) {
        Ok(event) => serde_json::from_str(event),
        Err(_) => serde_json::from_slice(event),
    };
    parsed.map_err(|error| {
        let shown = String::from_utf8_lossy(&event[..event.len().min(120)]);
        Error::backend_protocol(format!("the engine sent malformed JSON ({error}): {shown}"))
    })
}

/// Parses a chunk of another worker's response.
///
/// # Errors
/// [`Kind::BackendProtocol`](crate::Kind), saying what does not fit.
pub fn parse_chunk<'a, T: Deserialize<'a>>(chunk: &'a [u8]) -> Result<T> {
    rmp_serde::from_slice(chunk).map_err(|error| {
        Error::backend_protocol(format!("another worker's chunk makes no sense: {error}"))
    })
}
