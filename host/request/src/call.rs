//! From the call a plugin planned to the one that is sent: token ids and blobs go in here.

use dynamo_host_engine as engine;
use dynamo_host_failure::Failure;
use dynamo_host_plugin::{Call, Encoding, Framing, Held};
use uuid::Uuid;

use crate::{form, inlay, splice};

/// The plugin's call as the engine client sends it. `ids` are the request's token ids, `held` is what
/// was taken out of it.
///
/// # Errors
/// [`Kind::Internal`](dynamo_host_failure::Kind): the plugin planned a call that cannot be.
pub fn to_engine(call: Call, ids: &[u32], held: &Held) -> Result<engine::Call, Failure> {
    let method = call.method.parse::<http::Method>().map_err(|_| {
        Failure::internal(format!("the plugin planned a call with the method `{}`", call.method))
    })?;
    let mut headers = call.headers;
    let body = held.put_back(call.body);
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
        Some(member) => splice::token_ids(&body, member, ids)?,
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
    })
}
