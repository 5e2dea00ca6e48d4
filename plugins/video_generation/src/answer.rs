//! The one chunk of a response: a video, or why there is none.

use dynamo_worker_sdk::prelude::*;

/// What a response is about, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct About {
    id: String,
    model: String,
    /// Seconds since 1970.
    created: u64,
}

/// The chunk: OpenAI's video object, with the video in it.
#[derive(Serialize)]
pub(crate) struct VideoResponse<'a> {
    id: &'a str,
    object: &'static str,
    model: &'a str,
    status: &'static str,
    progress: u8,
    created: u64,
    data: Vec<VideoData>,
    error: Option<&'a str>,
    inference_time_s: Option<f64>,
}

#[derive(Serialize)]
struct VideoData {
    output_format: &'static str,
    url: Option<String>,
    b64_json: Option<String>,
}

impl About {
    pub(crate) fn new(incoming: &Request, model: String) -> Self {
        About {
            id: format!("video-{}", incoming.id),
            model,
            created: incoming.fresh.unix_millis / 1000,
        }
    }

    /// The video, at `url` or, without one, in the place of `/data/0/b64_json`.
    pub(crate) fn completed(
        &self,
        url: Option<String>,
        inference_time_s: Option<f64>,
    ) -> VideoResponse<'_> {
        let data = vec![VideoData { output_format: "mp4", url, b64_json: None }];
        VideoResponse { status: "completed", progress: 100, data, inference_time_s, ..self.empty() }
    }

    /// No video, and why.
    pub(crate) fn failed<'a>(&'a self, error: &'a str) -> VideoResponse<'a> {
        VideoResponse { error: Some(error), ..self.empty() }
    }

    fn empty(&self) -> VideoResponse<'_> {
        VideoResponse {
            id: &self.id,
            object: "video",
            model: &self.model,
            status: "failed",
            progress: 0,
            created: self.created,
            data: Vec::new(),
            error: None,
            inference_time_s: None,
        }
    }
}

/// What the client reads of a failure: what it may, or else that there is something in the log.
pub(crate) fn text_of(error: &Error) -> String {
    if error.is_public() {
        return error.message().to_owned();
    }
    dynamo_worker_sdk::warn!("no video: {error:?}");
    "the video could not be made; the worker's log says why".to_owned()
}
