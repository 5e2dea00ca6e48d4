//! From the call a plugin planned to the one that is sent: token ids and blobs go in here.

use std::sync::Arc;

use dynamo_host_engine as engine;
use dynamo_host_failure::Failure;
use dynamo_host_plugin::{Call, Encoding, Framing, Held};
use uuid::Uuid;

use crate::{form, inlay, splice};

/// What stays with the host of a request, and goes into the calls made for it.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The token ids.
    pub ids: Arc<[u32]>,
    /// Long data of `data:` URLs.
    pub held: Held,
}

/// The plugin's call as the engine client sends it, with what is `kept` of the request.
///
/// # Errors
/// [`Kind::Internal`](dynamo_host_failure::Kind): the plugin planned a call that cannot be.
pub fn to_engine(call: Call, kept: &Kept) -> Result<engine::Call, Failure> {
    let method = call.method.parse::<http::Method>().map_err(|_| {
        Failure::internal(format!("the plugin planned a call with the method `{}`", call.method))
    })?;
    let mut headers = call.headers;
    let body = kept.held.put_back(call.body);
    let body = match call.encoding {
        Encoding::Plain if call.inlays.is_empty() => body,
        Encoding::Plain => inlay::into_json(&body, call.inlays)?,
        Encoding::Form => {
            let boundary = Uuid::new_v4().simple().to_string();
            let (content_type, body) = form::encode(&body, call.inlays, &boundary)?;
            headers.push(("content-type".to_owned(), content_type));
            body
        }
    };
    let body = match &call.tokens_as {
        Some(member) => splice::token_ids(&body, member, &kept.ids)?,
        None => body.into(),
    };
    Ok(engine::Call {
        method,
        path: call.path,
        headers,
        body,
        framing: match call.framing {
            Framing::Sse => engine::Framing::Sse,
            Framing::Ndjson => engine::Framing::Ndjson,
            // A medium is taken frame by frame, before it could be cut.
            Framing::Whole | Framing::Blob => engine::Framing::Whole,
        },
        // What a client hears nothing of may be done again.
        repeatable: true,
    })
}
