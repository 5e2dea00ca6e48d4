//! One request: its checks, and the call to the engine it becomes.

use std::num::NonZeroU64;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::encode::{self, Encoder};
use dynamo_worker_sdk::sglang::errors::refused;

use crate::answer::Answer;

/// An OpenAI embeddings request.
#[derive(Debug, Deserialize)]
struct EmbeddingRequest {
    model: String,
    input: EmbeddingInput,
    dimensions: Option<NonZeroU64>,
    /// The frontend's to heed: it decodes what we send if the client wants numbers.
    #[serde(default, rename = "encoding_format")]
    _encoding_format: EncodingFormat,
    #[serde(rename = "user")]
    _user: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "not a text, a list of texts, a list of token ids, or a list of lists of token ids"
)]
enum EmbeddingInput {
    Text(String),
    /// Also an empty list of whatever.
    Texts(Vec<String>),
    TokenIds(Vec<u32>),
    TokenIdLists(Vec<Vec<u32>>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

/// The body of `/encode`.
#[derive(Serialize)]
struct EncodeBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a EmbeddingInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_ids: Option<&'a EmbeddingInput>,
    rid: Ids<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Ids<'a> {
    Single(&'a str),
    Batch(Vec<String>),
}

/// Makes the plan for one request. There is no call to give up on it: it costs the engine one pass,
/// and SGLang notices by itself that the connection has closed.
pub(crate) fn plan(engine: Encoder, incoming: &Request) -> Result<Plan<Answer>> {
    let EmbeddingRequest { model, input, dimensions, .. } = encode::parse(incoming)?;
    input.check(engine)?;
    let is_text = input.is_text();
    let body = EncodeBody {
        text: is_text.then_some(&input),
        input_ids: (!is_text).then_some(&input),
        rid: input.batch_size().map_or(Ids::Single(&incoming.fresh.request_id), |count| {
            Ids::Batch(encode::batch_ids(incoming, count))
        }),
    };
    let call = engine.call(incoming, &body)?;
    Ok(Plan::new(call, Answer::new(model, dimensions, input.is_empty())))
}

impl EmbeddingInput {
    /// SGLang 0.5.23 ends over a prompt without a token, which is what some tokenizers make of an
    /// empty text. An empty list is let through: Dynamo's worker leaves it to the engine.
    fn check(&self, engine: Encoder) -> Result<()> {
        let empty = |at: usize| Err(refused(format!("input[{at}]: empty")));
        match self {
            EmbeddingInput::Text(text) if text.is_empty() => Err(refused("input: empty")),
            EmbeddingInput::Text(_) => Ok(()),
            EmbeddingInput::Texts(texts) => {
                texts.iter().position(String::is_empty).map_or(Ok(()), empty)
            }
            EmbeddingInput::TokenIds(ids) => engine.check_token_ids("input", ids),
            EmbeddingInput::TokenIdLists(lists) => {
                lists.iter().enumerate().try_for_each(|(at, ids)| match &ids[..] {
                    [] => empty(at),
                    ids => engine.check_token_ids(&format!("input[{at}]"), ids),
                })
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, EmbeddingInput::Texts(texts) if texts.is_empty())
    }

    fn is_text(&self) -> bool {
        matches!(self, EmbeddingInput::Text(_) | EmbeddingInput::Texts(_)) && !self.is_empty()
    }

    /// How many inputs there are in a batch; none for a single one.
    fn batch_size(&self) -> Option<usize> {
        match self {
            EmbeddingInput::Texts(texts) if !texts.is_empty() => Some(texts.len()),
            EmbeddingInput::TokenIdLists(lists) => Some(lists.len()),
            _ => None,
        }
    }
}
