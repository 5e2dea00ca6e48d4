//! The images and videos of a request, fetched by the operator's rules.

use std::time::Duration;

use super::request::MultimodalInput;
use crate::media::{Blob, Limits, fetch};
use crate::{Call, InlayForm, Result};

/// Most bytes of one medium; the operator may set less.
const MAX_BYTES: u64 = 1 << 30;
/// Longest fetch of one medium, Dynamo's.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Images and videos, held by the host. The engine gets them as `data:` URLs: it would fetch from
/// wherever a URL leads, and so would the encoder behind it.
#[derive(Debug, Default)]
pub struct Attachments {
    images: Vec<Blob>,
    videos: Vec<Blob>,
}

impl Attachments {
    /// Fetches all, one after another.
    ///
    /// # Errors
    /// What cannot be fetched, may not be, or is neither an image nor a video. The client may read
    /// why.
    pub fn fetch(media: &[&MultimodalInput]) -> Result<Self> {
        let mut attachments = Attachments::default();
        for input in media {
            if let Some(url) = &input.image_url {
                attachments.images.push(fetch(url, limits("image/"))?);
            }
            if let Some(url) = &input.video_url {
                attachments.videos.push(fetch(url, limits("video/"))?);
            }
        }
        Ok(attachments)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.videos.is_empty()
    }

    /// What stands in the engine's request where the host will write them: empty texts for images,
    /// and for videos.
    pub fn places(&self) -> [Vec<&'static str>; 2] {
        [&self.images, &self.videos].map(|media| vec![""; media.len()])
    }

    /// Has the host write them into the call, in place of those texts.
    pub fn write_into(self, mut call: Call) -> Call {
        for (member, media) in [("image_data", self.images), ("video_data", self.videos)] {
            for (at, medium) in media.into_iter().enumerate() {
                call = call.inlay(&format!("/{member}/{at}"), medium, InlayForm::DataUrl);
            }
        }
        call
    }
}

fn limits(kind: &str) -> Limits {
    Limits { max_bytes: MAX_BYTES, timeout: TIMEOUT, accept: vec![kind.to_owned()] }
}
