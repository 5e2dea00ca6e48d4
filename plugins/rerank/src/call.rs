//! One request, and the pairs it becomes: the query with each document.

use std::num::NonZeroU64;

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::sglang::encode::{self, Encoder};
use dynamo_worker_sdk::sglang::errors::refused;

use crate::answer::Answer;

/// A rerank request, as SGLang's `/v1/rerank` takes it.
#[derive(Debug, Deserialize)]
struct RerankRequest {
    /// Must be there, but its place is the frontend's to know.
    #[serde(rename = "model")]
    _model: String,
    query: String,
    documents: Vec<String>,
    /// How many of the best the client wants; all if it does not say.
    top_n: Option<NonZeroU64>,
    #[serde(default = "yes")]
    return_documents: bool,
}

fn yes() -> bool {
    true
}

/// The body of `/encode`.
#[derive(Serialize)]
struct EncodeBody<'a> {
    text: Vec<[&'a str; 2]>,
    is_cross_encoder_request: bool,
    rid: Vec<String>,
}

/// Makes the plan for one request. There is no call to give up on it: SGLang notices by itself that
/// the connection has closed.
pub(crate) fn plan(engine: Encoder, incoming: &Request) -> Result<Plan<Answer>> {
    let request: RerankRequest = encode::parse(incoming)?;
    request.check()?;
    let RerankRequest { query, documents, top_n, return_documents, .. } = request;
    let body = EncodeBody {
        text: documents.iter().map(|document| [query.as_str(), document.as_str()]).collect(),
        is_cross_encoder_request: true,
        rid: encode::batch_ids(incoming, documents.len()),
    };
    let call = engine.call(incoming, &body)?;
    Ok(Plan::new(call, Answer::new(documents, return_documents, top_n)))
}

impl RerankRequest {
    fn check(&self) -> Result<()> {
        if is_blank(&self.query) {
            return Err(refused("query: nothing but white space"));
        }
        if self.documents.is_empty() {
            return Err(refused("documents: empty"));
        }
        match self.documents.iter().position(|document| is_blank(document)) {
            Some(at) => Err(refused(format!("documents[{at}]: nothing but white space"))),
            None => Ok(()),
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
