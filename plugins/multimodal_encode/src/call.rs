//! One request: its checks, and what the worker is asked.

use dynamo_worker_sdk::peers;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::errors::refused;
use dynamo_worker_sdk::sglang::media::{Media, check_token_ids};
use dynamo_worker_sdk::sglang::multimodal::{Group, MultimodalRequest, Preprocessed, read};

use crate::MultimodalEncode;
use crate::answer::Answer;

/// Makes the plan for one request.
pub(crate) fn plan(
    worker: &MultimodalEncode,
    incoming: &Request,
    prompt: &Prompt,
) -> Result<Plan<Answer>> {
    let mut request: GenerateRequest = read(incoming)?;
    let media = media(worker, &mut request)?;
    let mut request: Preprocessed = read(incoming)?;
    if incoming.token_count.is_some() {
        // They stayed with the host.
        request.token_ids = Some(prompt.iter().collect());
    }
    if let Some(ids) = request.ids() {
        check_token_ids(&Prompt::List(ids), &media, &worker.engine)?;
        check_places(worker, ids, &media)?;
    }
    let images = media.images.into_iter().map(Group::image);
    let videos = media.videos.into_iter().map(Group::video);
    let asked = MultimodalRequest::new(request, images.chain(videos).collect());
    Ok(Plan::begin(Step::peer(peers::open(&worker.worker, &asked)?), Answer::Relay))
}

/// The images and videos, of which there must be one.
fn media(worker: &MultimodalEncode, request: &mut GenerateRequest) -> Result<Media> {
    if !request.multi_modal_data.as_ref().is_some_and(Json::is_object) {
        return Err(refused("multi_modal_data: missing, or not an object"));
    }
    if let Some(kind) = request.multi_modal_data.as_ref().and_then(ambiguous) {
        return Err(refused(format!("multi_modal_data.{kind}: both `Url` and `Decoded`")));
    }
    let media = Media::take(request, &worker.engine, worker.frontend_decoding)?;
    if !media.audios.is_empty() {
        return Err(refused("multi_modal_data.audio_url: this worker encodes images and videos"));
    }
    if media.images.is_empty() && media.videos.is_empty() {
        return Err(refused("multi_modal_data: neither images nor videos"));
    }
    Ok(media)
}

/// The kind of a medium that is described in two ways.
fn ambiguous(data: &Json) -> Option<&str> {
    let is = |item: &Json| item.get("Url").is_some() && item.get("Decoded").is_some();
    let mut kinds = data.as_object()?.iter();
    kinds.find_map(|(kind, items)| items.as_array()?.iter().any(is).then_some(kind.as_str()))
}

/// The language engine puts what an image or a video takes in the place of its token: there must be
/// one for each.
fn check_places(worker: &MultimodalEncode, ids: &[u32], media: &Media) -> Result<()> {
    let engine = &worker.engine;
    for (kind, token, count) in [
        ("image", engine.image_token, media.images.len()),
        ("video", engine.video_token, media.videos.len()),
    ] {
        if count == 0 {
            continue;
        }
        let Some(token) = token else {
            return Err(refused(format!("the model's config.json names no {kind} token")));
        };
        let places = ids.iter().filter(|id| **id == token).count();
        if places != count {
            return Err(refused(format!(
                "token_ids: {places} {kind} tokens ({token}) for {count} {kind}s"
            )));
        }
    }
    Ok(())
}
