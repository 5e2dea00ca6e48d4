//! The two forms a request comes in.

use dynamo_worker_sdk::prelude::*;
use dynamo_worker_sdk::protocol::GenerateRequest;
use serde_json::Map;
use serde_json::value::RawValue;

/// One request, taken out of its form.
#[derive(Debug)]
pub(crate) struct Asked {
    pub request: GenerateRequest,
    /// Set if the request was wrapped.
    pub wrapped: Option<Wrapped>,
}

/// What was around the request, and what did not stay with the host because of that.
#[derive(Debug)]
pub(crate) struct Wrapped {
    /// The prompt.
    pub token_ids: Option<Vec<u32>>,
    /// Sampling in SGLang's own words, instead of the request's.
    pub sampling_params: Map<String, Json>,
}

/// `{"request": {...}, "sampling_params": {...}}`: Dynamo's older form.
#[derive(Debug, Deserialize)]
struct Wrapping {
    request: Option<Box<RawValue>>,
    sampling_params: Option<Json>,
}

#[derive(Debug, Deserialize)]
struct Inside {
    token_ids: Option<Vec<u32>>,
}

impl Asked {
    /// Reads a request of either form.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], naming the member that does not fit.
    pub(crate) fn read(incoming: &Request) -> Result<Self> {
        let wrapping: Wrapping = incoming.parse()?;
        let Some(inner) = wrapping.request else {
            return Ok(Asked { request: incoming.parse()?, wrapped: None });
        };
        let sampling_params = match wrapping.sampling_params {
            None => Map::new(),
            Some(Json::Object(params)) => params,
            Some(_) => return Err(Error::invalid_request("sampling_params: not an object")),
        };
        let inner = Request { body: inner.get().as_bytes().to_vec(), ..incoming.clone() };
        let mut request: GenerateRequest = inner.parse()?;
        // Where the checks of a flat request look for them.
        request.sampling_options.custom_params = sampling_params.get("custom_params").cloned();
        request.sampling_params = Some(Json::Object(sampling_params.clone()));
        let Inside { token_ids } = inner.parse()?;
        Ok(Asked { request, wrapped: Some(Wrapped { token_ids, sampling_params }) })
    }
}

impl Wrapped {
    /// The prompt, where a flat request has it.
    pub(crate) fn prompt(&mut self, incoming: &Request) -> WrappedPrompt {
        let ids = self.token_ids.take();
        let token_count = ids.as_ref().map(|ids| u32::try_from(ids.len()).unwrap_or(u32::MAX));
        WrappedPrompt {
            ids: ids.unwrap_or_default(),
            request: Request { token_count, ..incoming.clone() },
        }
    }
}

/// A prompt that did not stay with the host.
#[derive(Debug)]
pub(crate) struct WrappedPrompt {
    ids: Vec<u32>,
    /// The request as if it had.
    pub request: Request,
}

impl WrappedPrompt {
    /// To look at.
    pub(crate) fn ids(&self) -> Prompt<'_> {
        Prompt::List(&self.ids)
    }

    /// Puts it into a call, where the host would have.
    pub(crate) fn write_into(&self, call: &mut Call) -> Result<()> {
        if let Some(member) = call.tokens_as.take() {
            let mut body: Map<String, Json> = serde_json::from_slice(&call.body)?;
            body.insert(member, json!(self.ids));
            call.body = serde_json::to_vec(&body)?;
        }
        Ok(())
    }
}
