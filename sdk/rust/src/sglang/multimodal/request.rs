//! Requests from one multimodal worker to the next.
//!
//! Mirrors the models of Dynamo's `protocol.py`: members that are not here do not survive the way, so
//! a request loses its guided decoding, log probabilities, adapter and priority on it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::sglang::errors::refused;
use crate::{Error, Request, Result};

/// Says how the embeddings come to the engine: it asks an encoder for them itself.
const BY_ENGINE: &str = "sglang-encoder";

/// What the frontend made of an OpenAI request, as far as it goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Preprocessed {
    /// The prompt, with one token where an image or a video belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
    /// The prompt as text, from a processor, which has no tokenizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// When to stop.
    pub stop_conditions: Stops,
    /// How to choose tokens.
    pub sampling_options: Options,
    /// Whether the chat template made the model think first.
    #[serde(default)]
    pub require_reasoning: bool,
    /// Tokens that end a sequence.
    #[serde(default, deserialize_with = "null_as_default")]
    pub eos_token_ids: Vec<u32>,
    /// The model card the frontend went by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mdc_sum: Option<String>,
    /// Words of the client's.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: Vec<String>,
}

/// When to stop.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stops {
    /// At most so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Strings to stop at. The frontend enforces them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Tokens to stop at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_token_ids: Option<Vec<u32>>,
    /// The same, that the client need not know of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_token_ids_hidden: Option<Vec<u32>>,
    /// At least so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tokens: Option<u32>,
    /// Whether to go on past the end of the sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    /// At most so many tokens of thinking. Of any type: a wrong one has an answer of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_thinking_tokens: Option<Value>,
}

/// How to choose tokens. The engine is asked for the first four only, as in Dynamo.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How many choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// 0 for the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    /// Probability mass to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Number>,
    /// How many of the likeliest tokens to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<Number>,
    /// How many to choose the best from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// Penalty for tokens that occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<Number>,
    /// Penalty by how often they occurred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<Number>,
    /// Multiplicative penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<Number>,
    /// Smallest relative probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<Number>,
    /// Whether to search instead of drawing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_beam_search: Option<bool>,
    /// How a search weighs length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_penalty: Option<Number>,
    /// For drawing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<Number>,
}

/// What an encode worker asks the worker behind it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MultimodalRequest {
    /// The request without its media.
    pub request: Preprocessed,
    /// Its media, images before videos.
    #[serde(default, deserialize_with = "null_as_default")]
    pub multimodal_inputs: Vec<Group>,
    /// Rows and columns of all embeddings together, from encode workers that have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings_shape: Option<Value>,
    /// How the embeddings come to the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_payload: Option<Map<String, Value>>,
}

/// One image or video.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Where it is.
    #[serde(deserialize_with = "null_as_default")]
    pub multimodal_input: MultimodalInput,
    /// The layout of an image's patches, from encode workers that know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_grid_thw: Option<Value>,
    /// The same of a video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_grid_thw: Option<Value>,
    /// Tokens it takes in the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_mm_tokens: Option<u64>,
}

/// Where an image or a video is: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MultimodalInput {
    /// An image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// A video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_url: Option<String>,
}

/// What a worker asks the prefill worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrefillRequest {
    /// The whole request.
    pub request: MultimodalRequest,
    /// Sampling in SGLang's own words.
    pub sampling_params: Map<String, Value>,
}

impl Preprocessed {
    /// Refuses a request without a prompt.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind).
    pub fn check_prompt(&self) -> Result<()> {
        if self.ids().is_none() && self.prompt.is_none() {
            return Err(refused("token_ids: missing or empty, and there is no prompt in text"));
        }
        Ok(())
    }

    /// The prompt, if it is one of tokens.
    pub fn ids(&self) -> Option<&[u32]> {
        self.token_ids.as_deref().filter(|ids| !ids.is_empty())
    }
}

impl MultimodalRequest {
    /// A request whose embeddings the engine gets itself.
    pub fn new(request: Preprocessed, media: Vec<Group>) -> Self {
        let way = Map::from_iter([("transport".to_owned(), BY_ENGINE.into())]);
        MultimodalRequest {
            request,
            multimodal_inputs: media,
            embeddings_shape: None,
            transfer_payload: Some(way),
        }
    }

    /// The media, for an engine that gets the embeddings itself. Groups that hold nothing are
    /// passed over.
    ///
    /// # Errors
    /// Embeddings that were to come another way, or none.
    pub fn media(&self) -> Result<Vec<&MultimodalInput>> {
        let groups: Vec<_> =
            self.multimodal_inputs.iter().filter(|group| group.is_there()).collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let Some(way) = &self.transfer_payload else {
            return Err(refused("transfer_payload: missing"));
        };
        if way.get("transport").and_then(Value::as_str) != Some(BY_ENGINE) {
            return Err(Error::new(
                crate::Kind::NotImplemented,
                "transfer_payload: this worker's engine asks an encoder for embeddings itself and \
                 cannot be handed any; use an encode worker of the same kind",
            ));
        }
        Ok(groups.into_iter().map(|group| &group.multimodal_input).collect())
    }
}

impl Group {
    /// An image.
    pub fn image(url: String) -> Self {
        let multimodal_input = MultimodalInput { image_url: Some(url), video_url: None };
        Group { multimodal_input, ..Group::default() }
    }

    /// A video.
    pub fn video(url: String) -> Self {
        let multimodal_input = MultimodalInput { image_url: None, video_url: Some(url) };
        Group { multimodal_input, ..Group::default() }
    }

    fn is_there(&self) -> bool {
        self.multimodal_input != MultimodalInput::default()
            || self.image_grid_thw.is_some()
            || self.video_grid_thw.is_some()
            || self.num_mm_tokens.is_some_and(|tokens| tokens > 0)
    }
}

/// Reads a request between workers: an object, or its JSON as text, as Dynamo's workers send it.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), naming the member that does not fit.
pub fn read<T: DeserializeOwned>(incoming: &Request) -> Result<T> {
    let read = match serde_json::from_slice(&incoming.body) {
        Ok(Value::String(text)) => Request { body: text.into_bytes(), ..incoming.clone() }.parse(),
        _ => incoming.parse(),
    };
    // No client has written it.
    read.map_err(|error| refused(error.message()))
}

fn null_as_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
