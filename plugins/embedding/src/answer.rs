//! The engine's vectors as the frontend wants them.

use std::num::NonZeroU64;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::encode::results;
use dynamo_worker_sdk::sglang::errors::refused;

use crate::metrics;

/// Turns the engine's answer into the one chunk of the response.
#[derive(Debug)]
pub struct Answer {
    model: String,
    /// How many numbers of each vector the client wants.
    dimensions: Option<NonZeroU64>,
    /// There was nothing to compute.
    input_is_empty: bool,
}

impl Answer {
    pub(crate) fn new(model: String, dimensions: Option<NonZeroU64>, input_is_empty: bool) -> Self {
        Answer { model, dimensions, input_is_empty }
    }

    fn embedding(&self, index: usize, vector: &[Single]) -> Result<EmbeddingObject> {
        let wanted = match self.dimensions {
            None => vector,
            Some(dimensions) => usize::try_from(dimensions.get())
                .ok()
                .and_then(|dimensions| vector.get(..dimensions))
                .ok_or_else(|| {
                    let length = vector.len();
                    refused(format!(
                        "dimensions: {dimensions}, but the model's vectors have {length}"
                    ))
                })?,
        };
        Ok(EmbeddingObject { object: "embedding", embedding: base64(wanted)?, index })
    }
}

/// One result of `/encode`.
#[derive(Deserialize)]
struct Encoded {
    embedding: Option<Vec<Single>>,
    #[serde(default)]
    meta_info: MetaInfo,
}

/// A number as Python's `struct.pack("f", …)` writes it: read in double precision, then rounded.
/// Infinite if it is too large for that, which matters only where the client wants it.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "f64")]
struct Single(f32);

impl From<f64> for Single {
    fn from(number: f64) -> Self {
        Single(number as f32)
    }
}

#[derive(Default, Deserialize)]
struct MetaInfo {
    #[serde(default)]
    prompt_tokens: u64,
}

/// The chunk: OpenAI's list of embeddings.
#[derive(Serialize)]
struct EmbeddingList<'a> {
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct EmbeddingObject {
    object: &'static str,
    /// Base64 whatever the client asked for: smaller, and the frontend makes numbers of it.
    embedding: String,
    index: usize,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let mut data = Vec::new();
        let mut tokens = 0_u64;
        for (index, result) in results::<Encoded>(event)?.into_iter().enumerate() {
            let vector = result
                .embedding
                .ok_or_else(|| Error::internal("the engine sent a result without embedding"))?;
            data.push(self.embedding(index, &vector)?);
            tokens = tokens.saturating_add(result.meta_info.prompt_tokens);
        }
        metrics::answered(&self.model, data.len(), tokens);
        let usage = Usage { prompt_tokens: tokens, total_tokens: tokens };
        chunks.send(&EmbeddingList { object: "list", data, model: &self.model, usage })?;
        Ok(Flow::Continue)
    }

    fn rejected(&mut self, status: u16, body: &[u8], _: &mut Chunks) -> Result<()> {
        if self.input_is_empty {
            // SGLang stumbles over it, and says that the fault is its own.
            return Err(refused("input: empty"));
        }
        Err(Error::from_engine(status, body))
    }
}

/// A vector as base64 of little-endian 32-bit floats.
fn base64(vector: &[Single]) -> Result<String> {
    let mut bytes = Vec::with_capacity(size_of_val(vector));
    for Single(number) in vector {
        // JSON has no infinity: the number was too large for 32 bits.
        if number.is_infinite() {
            return Err(Error::internal("the engine sent a number that does not fit 32 bits"));
        }
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Ok(STANDARD.encode(bytes))
}
