//! The engine's image as the client gets it.

use dynamo_worker_sdk::media::Blob;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::diffusion::Delivery;

/// The member of the engine's answer, and of ours, that is an image.
pub(crate) const MEDIUM: &str = "b64_json";

/// Turns the engine's answer into the one chunk of the response.
#[derive(Debug)]
pub struct Answer {
    /// Seconds since 1970.
    created: u64,
    delivery: Delivery,
    probe: bool,
    /// The first image. There may be more: of those nobody asked for any.
    image: Option<Blob>,
}

impl Answer {
    pub(crate) fn new(incoming: &Request, delivery: Delivery) -> Self {
        let created = incoming.fresh.unix_millis / 1000;
        Answer { created, delivery, probe: incoming.probe, image: None }
    }

    fn chunk(&self, data: Option<ImageData>) -> ImagesResponse {
        ImagesResponse { created: self.created, data: data.into_iter().collect() }
    }
}

/// The engine's answer without the images.
#[derive(Deserialize)]
struct Generated {
    data: Vec<Json>,
}

/// The chunk: OpenAI's list of images.
#[derive(Serialize)]
struct ImagesResponse {
    created: u64,
    data: Vec<ImageData>,
}

#[derive(Serialize)]
struct ImageData {
    url: Option<String>,
    b64_json: Option<String>,
    revised_prompt: Option<String>,
}

impl Converter for Answer {
    fn medium(&mut self, medium: Blob, _: &mut Chunks) -> Result<Flow> {
        self.image.get_or_insert(medium);
        Ok(Flow::Continue)
    }

    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let Generated { data } = parse_event(event)?;
        match self.image.take() {
            Some(image) => {
                if self.probe && !image.content_type().starts_with("image/") {
                    return Err(Error::backend_protocol("the engine's image is none"));
                }
                self.delivery.send(image, "/data/0/b64_json", chunks, |url| {
                    self.chunk(Some(ImageData { url, b64_json: None, revised_prompt: None }))
                })?;
            }
            // The engine has made nothing, and says so.
            None if data.is_empty() && !self.probe => chunks.send(&self.chunk(None))?,
            None => return Err(Error::backend_protocol("the engine's answer holds no image")),
        }
        Ok(Flow::Continue)
    }
}
