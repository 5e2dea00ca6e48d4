//! Media of a response: taken from the engine's answer, put into chunks.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use dynamo_host_blob::{Blob, Gather};
use dynamo_host_failure::{Failure, Kind};
use dynamo_host_plugin::{Call, Framing, Inlay};

use crate::inlay;
use crate::lift::Lift;

/// An answer with media in the making.
pub(crate) enum Medium {
    /// The body is one.
    Body(Gather),
    /// The body is JSON with media in it.
    Members(Lift),
}

/// What the converter gets of it.
pub(crate) enum Piece {
    /// A medium.
    Medium(Blob),
    /// The answer without its media.
    Event(Bytes),
}

impl Medium {
    /// What a call asks to have kept, of up to `max_bytes`; none if its answer is for the plugin.
    pub(crate) fn asked_for(call: &Call, max_bytes: u64) -> Option<Self> {
        match (call.framing, &call.lift) {
            (Framing::Blob, _) => Some(Medium::Body(Gather::up_to(max_bytes))),
            (Framing::Whole, Some(member)) => {
                Some(Medium::Members(Lift::new(member.clone(), max_bytes)))
            }
            _ => None,
        }
    }

    /// Takes the next bytes of the answer.
    ///
    /// # Errors
    /// More than may be held, or what is not a medium.
    pub(crate) fn push(&mut self, frame: Bytes) -> Result<(), Failure> {
        match self {
            Medium::Members(lift) => lift.push(&frame),
            Medium::Body(gather) => gather.push(frame).map_err(|error| {
                Failure::new(Kind::PayloadTooLarge, format!("the engine answered with {error}"))
            }),
        }
    }

    /// The pieces, once the answer has ended.
    pub(crate) fn finish(self, content_type: Option<&str>) -> VecDeque<Piece> {
        match self {
            Medium::Body(gather) => VecDeque::from([Piece::Medium(gather.finish(content_type))]),
            Medium::Members(lift) => {
                let (media, rest) = lift.finish();
                // A body that is empty is no event, as it is where nothing is taken out.
                let rest = (!rest.is_empty()).then_some(Piece::Event(rest));
                media.into_iter().map(Piece::Medium).chain(rest).collect()
            }
        }
    }
}

/// Writes blobs into chunks.
///
/// # Errors
/// The plugin's defect: there is no such chunk, or no such place in it.
pub(crate) fn with_media(
    mut chunks: Vec<Vec<u8>>,
    inlays: Vec<(u32, Inlay)>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut of_chunk: BTreeMap<u32, Vec<Inlay>> = BTreeMap::new();
    for (chunk, inlay) in inlays {
        of_chunk.entry(chunk).or_default().push(inlay);
    }
    for (position, inlays) in of_chunk {
        let chunk = chunks.get_mut(position as usize).ok_or_else(|| {
            Failure::internal(format!("the plugin asks for a medium in chunk {position}, of none"))
        })?;
        *chunk = inlay::into_msgpack(chunk, inlays)?;
    }
    Ok(chunks)
}

/// Does what takes long where it holds up nothing else.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Failure::internal(format!("media were not written: {error}"))))
}
