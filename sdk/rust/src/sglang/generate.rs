//! The body of SGLang's `/generate`, and the calls around it.

use serde::Serialize;
use serde_json::{Value, json};

use super::Engine;
use super::disagg::Bootstrap;
use super::errors::refused;
use super::logprobs::LogprobOptions;
use super::media::Media;
use super::sampling::SamplingParams;
use crate::protocol::{GenerateRequest, Routing};
use crate::{Call, Error, Request, Result, warn};

/// The body of `POST /generate`, without the token ids, which the host adds as `input_ids`. A
/// member that is empty or none is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GenerateBody<'a> {
    /// The engine's id for the request: fresh, so that no client can abort another's.
    pub rid: &'a str,
    /// Chunks instead of one answer.
    pub stream: bool,
    /// How to choose tokens and when to stop.
    pub sampling_params: SamplingParams,
    /// What to report besides tokens.
    #[serde(flatten)]
    pub logprobs: LogprobOptions,
    /// The prompt, where the engine tokenizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// URLs of images.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub image_data: &'a [String],
    /// URLs of videos.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub video_data: &'a [String],
    /// URLs of audio.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub audio_data: &'a [String],
    /// Hashes of the media, in the order images, videos, audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mm_hashes: Option<Vec<String>>,
    /// Whether grammars must wait for the end of the thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_reasoning: Option<bool>,
    /// Whether to report which experts worked on each token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_routed_experts: Option<bool>,
    /// The data-parallel rank to run on (`data_parallel_rank` in SGLang's Python interface).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed_dp_rank: Option<u32>,
    /// The data-parallel rank of the prefill engine that has the prompt. Without it a decode engine
    /// must ask for it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disagg_prefill_dp_rank: Option<u32>,
    /// Where prefill and decode engine meet.
    #[serde(flatten)]
    pub bootstrap: Option<Bootstrap>,
    /// The adapter, by the name it was loaded under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_path: Option<&'a str>,
    /// Keeps cached prompts of different tenants apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_salt: Option<&'a str>,
    /// Higher is more urgent, unless the engine says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// The agent's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    /// The session it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_session_id: Option<&'a str>,
}

impl<'a> GenerateBody<'a> {
    /// What every text worker passes on: identity, media, session, cache and adapter. Sampling and
    /// log probabilities are the worker's to add.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) for a cache salt this version of the engine does not take.
    pub fn new(
        incoming: &'a Request,
        request: &'a GenerateRequest,
        media: &'a Media,
        engine: &Engine,
    ) -> Result<Self> {
        let known = &engine.capabilities;
        if request.requires_reasoning() && !known.require_reasoning {
            warn!("this version of the engine knows no reasoning gate; grammars start at once");
        }
        let session = |id: &'a Option<Value>| id.as_ref()?.as_str().map(str::trim);
        let agent = &request.agent_context;
        Ok(GenerateBody {
            rid: &incoming.fresh.request_id,
            stream: true,
            image_data: &media.images,
            video_data: &media.videos,
            audio_data: &media.audios,
            require_reasoning: known.require_reasoning.then(|| request.requires_reasoning()),
            return_routed_experts: (engine.routed_experts && known.return_routed_experts)
                .then_some(true),
            routed_dp_rank: request.routing.dp_rank,
            lora_path: adapter(incoming, request),
            cache_salt: cache_salt(request, engine)?,
            priority: priority(&request.routing, engine),
            session_id: session(&agent.session_id).filter(|id| known.session_id && !id.is_empty()),
            parent_session_id: session(&agent.parent_session_id)
                .filter(|id| known.parent_session_id && !id.is_empty()),
            ..Self::default()
        })
    }

    /// The call. The host writes the prompt's token ids into it, unless the prompt is text.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind) if the request has neither: it is none for this kind of
    /// worker, such as one for an embedding. (Dynamo hands it on, and the engine refuses it.)
    pub fn into_call(self, incoming: &Request, engine: &Engine) -> Result<Call> {
        let mut call = Call::post("/generate", &self)?.sse();
        if self.text.is_none() {
            if incoming.token_count.is_none() {
                return Err(Error::invalid_request(
                    "token_ids: missing; this worker generates text from the tokens of a prompt",
                ));
            }
            call = call.tokens_as("input_ids");
        }
        if engine.trace {
            call = call.headers(&incoming.trace_headers);
        }
        Ok(call)
    }
}

/// The call that makes the engine give up on a request.
///
/// It finds requests for one choice only: SGLang draws an id of its own for each of several, and
/// gives those up when the connection closes.
///
/// # Errors
/// Never: the body is plain.
pub fn abort(rid: &str) -> Result<Call> {
    Call::post("/abort_request", &json!({ "rid": rid }))
}

/// The adapter the client asked for by its name as a model. The router's own idea
/// (`routing.lora_name`) is not asked, as in Dynamo.
pub(super) fn adapter<'a>(incoming: &Request, request: &'a GenerateRequest) -> Option<&'a str> {
    let model = request.model.as_deref()?;
    incoming.adapters.iter().any(|name| name == model).then_some(model)
}

/// The first salt that is not empty, from the router outwards.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind) if the engine takes none: without its salt the request
/// would share cached prompts with others.
pub(super) fn cache_salt<'a>(
    request: &'a GenerateRequest,
    engine: &Engine,
) -> Result<Option<&'a str>> {
    let salt = [
        &request.routing.cache_salt,
        &request.extra_args.nvext.cache_salt,
        &request.nvext.cache_salt,
        &request.cache_salt,
    ]
    .into_iter()
    .filter_map(Option::as_deref)
    .find(|salt| !salt.is_empty());
    if salt.is_some() && !engine.capabilities.cache_salt {
        return Err(no_cache_salt());
    }
    Ok(salt)
}

/// What is said of a salt the engine cannot take.
pub(super) fn no_cache_salt() -> Error {
    refused("cache_salt: this version of the engine takes none")
}

/// The data-parallel rank of the prefill engine, if the router chose one and a decode engine can be
/// told.
pub fn prefill_rank(request: &GenerateRequest, engine: &Engine) -> Option<u32> {
    request.routing.prefill_dp_rank.filter(|_| engine.capabilities.disagg_prefill_dp_rank)
}

/// Of the request, in the engine's sense.
pub(super) fn priority(routing: &Routing, engine: &Engine) -> Option<i64> {
    let priority = routing.priority.filter(|_| engine.capabilities.priority)?;
    Some(if engine.low_priority_first { priority.saturating_neg() } else { priority })
}
