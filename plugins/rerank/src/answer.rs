//! The engine's scores as a ranking.

use std::cmp::Ordering;
use std::num::NonZeroU64;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::encode::results;
use dynamo_worker_sdk::sglang::errors::refused;

/// Turns the engine's answer into the one chunk of the response.
#[derive(Debug)]
pub struct Answer {
    /// In the client's order, which is the order of the engine's results.
    documents: Vec<String>,
    return_documents: bool,
    top_n: Option<NonZeroU64>,
}

/// One document of the ranking. The chunk is a list of them, the best first.
#[derive(Serialize)]
struct Ranked<'a> {
    score: f64,
    /// The document's place in the request.
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta_info: Option<Json>,
}

impl Answer {
    pub(crate) fn new(
        documents: Vec<String>,
        return_documents: bool,
        top_n: Option<NonZeroU64>,
    ) -> Self {
        Answer { documents, return_documents, top_n }
    }
}

impl Converter for Answer {
    fn event(&mut self, event: &[u8], chunks: &mut Chunks) -> Result<Flow> {
        let results: Vec<Json> = results(event)?;
        let (wanted, came) = (self.documents.len(), results.len());
        if came != wanted {
            return Err(refused(format!("the engine sent {came} scores for {wanted} documents")));
        }
        let mut ranking = Vec::with_capacity(wanted);
        for (index, (document, mut result)) in self.documents.iter().zip(results).enumerate() {
            ranking.push(Ranked {
                score: score(&result, index)?,
                index,
                document: self.return_documents.then_some(document),
                meta_info: result.get_mut("meta_info").map(Json::take).filter(|it| !it.is_null()),
            });
        }
        // Stable: documents of the same score keep the client's order.
        ranking.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal));
        if let Some(top_n) = self.top_n {
            ranking.truncate(usize::try_from(top_n.get()).unwrap_or(usize::MAX));
        }
        chunks.send(&ranking)?;
        Ok(Flow::Continue)
    }
}

/// The score in one result: a number, or the first of a list.
fn score(result: &Json, index: usize) -> Result<f64> {
    let embedding = &result["embedding"];
    embedding.get(0).unwrap_or(embedding).as_f64().ok_or_else(|| {
        refused(format!("the engine sent no score for documents[{index}], but {embedding}"))
    })
}
