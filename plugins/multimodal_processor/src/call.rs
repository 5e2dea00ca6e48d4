//! One request: the prompt, and what the encode worker is asked.

use dynamo_worker_sdk::peers;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use dynamo_worker_sdk::sglang::multimodal::{Options, Preprocessed, Stops};
use dynamo_worker_sdk::sglang::text::TextPrompt;

use crate::MultimodalProcessor;
use crate::answer::Answer;
use crate::media::Media;

/// What the frontend would make of the chat.
#[derive(Debug, Serialize)]
struct ForEncode {
    #[serde(flatten)]
    request: Preprocessed,
    multi_modal_data: Media,
}

/// Makes the plan for one request.
pub(crate) fn plan(worker: &MultimodalProcessor, incoming: &Request) -> Result<Plan<Answer>> {
    let mut chat: Json = incoming.parse()?;
    let media = Media::take(&mut chat["messages"])?;
    let chat = Request { body: serde_json::to_vec(&chat)?, ..incoming.clone() };
    let mut request: GenerateRequest = chat.parse()?;
    let prompt = worker.text.take(&chat, &mut request)?;
    let answer = Answer::new(worker.text.writer(incoming), request.sampling_options.n);
    if incoming.probe {
        let mut chunks = Chunks::default();
        chunks.send(&json!({"prompt": prompt.prompt}))?;
        return Ok(Plan::answered(chunks, answer));
    }
    let asked = ForEncode { request: preprocessed(prompt, request), multi_modal_data: media };
    Ok(Plan::begin(Step::peer(peers::open(&worker.encode, &asked)?), answer))
}

fn preprocessed(prompt: TextPrompt, request: GenerateRequest) -> Preprocessed {
    let GenerateRequest { stop_conditions: stops, sampling_options: options, .. } = request;
    let ids = |ids: Vec<u32>| (!ids.is_empty()).then_some(ids);
    let strings = prompt.stop_strings();
    Preprocessed {
        prompt: Some(prompt.prompt),
        stop_conditions: Stops {
            max_tokens: stops.max_tokens,
            min_tokens: stops.min_tokens,
            stop: (!strings.is_empty()).then_some(strings),
            stop_token_ids: ids(stops.stop_token_ids),
            ..Stops::default()
        },
        sampling_options: Options {
            n: options.n,
            temperature: options.temperature,
            top_p: options.top_p,
            top_k: options.top_k,
            presence_penalty: options.presence_penalty,
            frequency_penalty: options.frequency_penalty,
            repetition_penalty: options.repetition_penalty,
            min_p: options.min_p,
            seed: options.seed,
            ..Options::default()
        },
        ..Preprocessed::default()
    }
}
