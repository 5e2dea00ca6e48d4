//! The images and videos of a chat.

use dynamo_worker_sdk::prelude::*;

/// The URLs of a chat's images and videos, by kind in the order of the messages.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Media {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_url: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    video_url: Vec<String>,
}

impl Media {
    /// Takes them out of the messages, where a part without a URL stays, as chat templates know it.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], naming the part that is none this worker knows, and for a chat
    /// without any image or video.
    pub(crate) fn take(messages: &mut Json) -> Result<Self> {
        let mut media = Media::default();
        for (at, message) in messages.as_array_mut().into_iter().flatten().enumerate() {
            let parts = message.get_mut("content").and_then(Json::as_array_mut);
            for (of, part) in parts.into_iter().flatten().enumerate() {
                media.take_part(part).map_err(|why| {
                    Error::invalid_request(format!("messages[{at}].content[{of}]: {why}"))
                })?;
            }
        }
        if media == Media::default() {
            return Err(Error::invalid_request(
                "messages: there is no image and no video in them, which this model's worker is for",
            ));
        }
        Ok(media)
    }

    fn take_part(&mut self, part: &mut Json) -> Result<(), String> {
        let kind = part["type"].as_str().unwrap_or_default();
        let (member, placeholder, urls) = match kind {
            "text" => return Ok(()),
            "image_url" => ("image_url", "image", &mut self.image_url),
            "video_url" => ("video_url", "video", &mut self.video_url),
            other => return Err(format!("type `{other}`: neither text, image_url nor video_url")),
        };
        let said = &part[member];
        let url = said.as_str().or_else(|| said["url"].as_str());
        let url = url.ok_or_else(|| format!("{member}.url: missing, or not a string"))?;
        urls.push(url.to_owned());
        *part = json!({"type": placeholder});
        Ok(())
    }
}
