//! Images, audio and video that come with a prompt.

use serde_json::{Map, Value};

use super::Engine;
use super::errors::refused;
use crate::protocol::GenerateRequest;
use crate::{Error, Kind, Prompt, Result, warn};

/// The media of a request, as URLs the engine fetches itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Images.
    pub images: Vec<String>,
    /// Videos.
    pub videos: Vec<String>,
    /// Pieces of audio.
    pub audios: Vec<String>,
}

impl Media {
    /// Takes the media out of `request`.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for media the request describes wrongly, names by identities this
    /// worker cannot know, or that the model cannot take; [`Kind::NotImplemented`] for media the
    /// frontend has decoded (`frontend_decoding`): they lie in the frontend's memory, and reading
    /// them there needs NIXL, which no HTTP engine offers.
    pub fn take(
        request: &mut GenerateRequest,
        engine: &Engine,
        frontend_decoding: bool,
    ) -> Result<Self> {
        if request.multi_modal_uuids.take().is_some_and(|uuids| names_any(&uuids)) {
            return Err(refused("multi_modal_uuids: media cannot be named by identity here"));
        }
        let mut data = match request.multi_modal_data.take() {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(data)) => data,
            Some(_) => return Err(refused("multi_modal_data: not an object")),
        };
        let mut urls = |kind| urls(data.remove(kind), kind, frontend_decoding);
        let media = Media {
            images: urls("image_url")?,
            videos: urls("video_url")?,
            audios: urls("audio_url")?,
        };
        if let Some(kind) = media.missing_from(request.messages()) {
            return Err(Error::invalid_request(format!(
                "the messages hold {kind} content that the frontend did not extract for this worker",
            )));
        }
        if media.count() > 0 && engine.multimodal == Some(false) {
            return Err(Error::invalid_request(
                "the model takes text only: remove images, audio and video from the messages",
            ));
        }
        Ok(media)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.images.len() + self.videos.len() + self.audios.len()
    }

    /// Refuses a request with any media: for workers that would drop them.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], public.
    pub fn refuse(request: &GenerateRequest) -> Result<()> {
        let has = |data: &Value| match data {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => true,
        };
        let extracted = request.multi_modal_data.as_ref().is_some_and(|data| match data {
            Value::Object(kinds) => kinds.values().any(has),
            data => has(data),
        });
        if extracted || Media::default().missing_from(request.messages()).is_some() {
            return Err(Error::invalid_request(
                "this worker takes text only: remove images, audio and video from the messages",
            ));
        }
        Ok(())
    }

    /// The hashes the frontend computed, in SGLang's order: images, videos, audio. Grouped ones must
    /// fit the media, as wrong hashes would make the engine take one medium for another; without
    /// groups, a flat list, as it is.
    pub fn hashes(&self, request: &mut GenerateRequest) -> Option<Vec<String>> {
        let grouped = request.extra_args.mm_hashes_by_modality.take();
        let flat = request.extra_args.mm_hashes.take();
        let given = [&grouped, &flat].into_iter().flatten().any(|hashes| !hashes.is_null());
        let hashes = match grouped {
            Some(grouped @ Value::Object(_)) => self.grouped_hashes(grouped),
            _ => flat.and_then(|flat| serde_json::from_value(flat).ok()),
        };
        if given && hashes.is_none() {
            warn!("the hashes of the media do not fit the media; going without");
        }
        hashes.filter(|hashes| !hashes.is_empty())
    }

    fn grouped_hashes(&self, grouped: Value) -> Option<Vec<String>> {
        let Value::Object(mut grouped) = grouped else { return None };
        let mut hashes = Vec::new();
        for (kind, media) in
            [("image", &self.images), ("video", &self.videos), ("audio", &self.audios)]
        {
            let group = grouped.remove(kind).filter(|group| !group.is_null());
            hashes.extend(strings(group.unwrap_or_else(|| Value::Array(vec![])), media.len())?);
        }
        Some(hashes)
    }

    /// A kind of content that is in the chat messages but not among the media.
    fn missing_from(&self, messages: Option<&Value>) -> Option<&'static str> {
        let messages = messages?.as_array()?;
        let parts = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
        parts.filter_map(|part| part["type"].as_str()).find_map(|kind| match kind {
            "image_url" | "image" | "input_image" if self.images.is_empty() => Some("image"),
            "video_url" | "video" | "input_video" if self.videos.is_empty() => Some("video"),
            "audio_url" | "audio" | "input_audio" if self.audios.is_empty() => Some("audio"),
            _ => None,
        })
    }
}

/// Checks token ids a client sent itself: below the size of the vocabulary, or a placeholder for a
/// medium the request has. An id beyond it would make the engine read past its embeddings.
///
/// # Errors
/// [`Kind::InvalidRequest`], naming the id.
pub fn check_token_ids(prompt: &Prompt, media: &Media, engine: &Engine) -> Result<()> {
    let Some(size) = engine.vocabulary else { return Ok(()) };
    let placeholders = [
        engine.image_token.filter(|_| !media.images.is_empty()),
        engine.video_token.filter(|_| !media.videos.is_empty()),
        engine.audio_token.filter(|_| !media.audios.is_empty()),
    ];
    match prompt.iter().find(|id| *id >= size && !placeholders.contains(&Some(*id))) {
        Some(id) => Err(refused(format!(
            "token_ids: {id} is not below {size}, the size of the model's vocabulary"
        ))),
        None => Ok(()),
    }
}

fn urls(items: Option<Value>, kind: &str, frontend_decoding: bool) -> Result<Vec<String>> {
    let items = match items {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(refused(format!("multi_modal_data.{kind}: not a list"))),
    };
    items.into_iter().map(|item| url(item, kind, frontend_decoding)).collect()
}

fn url(item: Value, kind: &str, frontend_decoding: bool) -> Result<String> {
    match item {
        Value::String(url) => Ok(url),
        Value::Object(mut variant) => match (variant.remove("Url"), variant.remove("Decoded")) {
            (Some(Value::String(url)), _) => Ok(url),
            (_, Some(_)) if frontend_decoding => Err(Error::new(
                Kind::NotImplemented,
                format!(
                    "multi_modal_data.{kind}: decoded media cannot reach an engine behind HTTP; \
                     run the worker without frontend_decoding"
                ),
            )),
            (_, Some(_)) => Err(refused(format!(
                "multi_modal_data.{kind}: the frontend decoded the medium, but this worker runs \
                 without frontend_decoding"
            ))),
            _ => Err(refused(format!("multi_modal_data.{kind}: neither `Url` nor `Decoded`"))),
        },
        _ => Err(refused(format!("multi_modal_data.{kind}: neither a string nor an object"))),
    }
}

/// Whether there is anything but null in it.
fn names_any(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(names_any),
        Value::Object(members) => members.values().any(names_any),
        _ => true,
    }
}

/// A list of exactly `count` strings.
fn strings(list: Value, count: usize) -> Option<Vec<String>> {
    serde_json::from_value(list).ok().filter(|list: &Vec<String>| list.len() == count)
}

#[cfg(test)]
mod tests;
