//! The image a request begins with.

use std::time::Duration;

use crate::media::{self, Blob};
use crate::{Error, Kind, Result};

/// The member of a request that names it.
pub const MEMBER: &str = "input_reference";

/// What SGLang itself would fetch at most.
const MAX_BYTES: u64 = 50 << 20;

/// As long as Dynamo's frontend gives a medium.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The beginnings of all formats known are shorter.
const HEADER: u32 = 64;

/// Fetches the image at `url` under the operator's rules. The engine gets its bytes, never the URL:
/// it would fetch from anywhere.
///
/// # Errors
/// What the host says about the URL and its source, and [`Kind::UnsupportedMedia`] for what is no
/// image; public, naming [`MEMBER`].
pub fn fetch(url: &str) -> Result<Blob> {
    let limits =
        media::Limits { max_bytes: MAX_BYTES, timeout: TIMEOUT, accept: vec!["image/".into()] };
    let image = media::fetch(url, limits).map_err(named)?;
    // What a server calls an image may be anything.
    if !infer::is_image(&image.read(0, HEADER)) {
        return Err(named(Error::new(Kind::UnsupportedMedia, "its bytes are no image").public()));
    }
    Ok(image)
}

fn named(error: Error) -> Error {
    let mut failure = error.into_failure();
    failure.message = format!("{MEMBER}: {}", failure.message);
    Error::from_failure(failure)
}
