//! The bytes of a request and of a response frame.
//!
//! A response frame is a map `{data: {data: <engine output>}, complete_final: false}`: the outer
//! map is Dynamo's stream wrapper, the inner one its `Annotated`. The output is already encoded
//! when it gets here, so that a frame is one allocation and two copies of constant bytes around it.

use std::fmt;

use bytes::Bytes;
use dynamo_host_failure::Failure;
use dynamo_runtime::pipeline::PipelineError;
use dynamo_runtime::pipeline::network::{
    EncodedResponseFrame, IngressRequestDecoder, IngressResponseEncoder, NetworkStreamWrapper,
    RequestPlanePayloadCodec,
};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::failure::WireItem;
use crate::handler::Codec;

/// The bytes around an output.
struct Frame {
    /// Up to the output: maps and their keys.
    head: &'static [u8],
    tail: &'static [u8],
}

const MSGPACK: Frame = Frame { head: b"\x82\xa4data\x81\xa4data", tail: b"\xaecomplete_final\xc2" };
const JSON: Frame = Frame { head: br#"{"data":{"data":"#, tail: br#"},"complete_final":false}"# };
/// Without the inner map.
const BARE_MSGPACK: Frame = Frame { head: b"\x82\xa4data", tail: b"\xaecomplete_final\xc2" };
const BARE_JSON: Frame = Frame { head: br#"{"data":"#, tail: br#","complete_final":false}"# };

/// A request payload nobody has decoded.
pub(crate) struct RawRequest {
    pub(crate) body: Bytes,
    pub(crate) codec: Codec,
}

impl fmt::Debug for RawRequest {
    /// Without the payload: dynamo-runtime prints requests at trace level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawRequest({} bytes of {:?})", self.body.len(), self.codec)
    }
}

impl<'de> Deserialize<'de> for RawRequest {
    /// dynamo-runtime asks for this bound even where an adapter decodes; nothing calls it.
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("a raw request is taken from the wire as it is"))
    }
}

/// One item of a response stream.
pub(crate) enum Item {
    /// One MessagePack value.
    Chunk(Bytes),
    /// The last item.
    Failed(Failure),
}

impl fmt::Debug for Item {
    /// Without the output, which is a client's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Chunk(chunk) => write!(f, "Chunk({} bytes)", chunk.len()),
            Item::Failed(failure) => write!(f, "Failed({failure})"),
        }
    }
}

/// Hands requests over as they arrive, and frames chunks without reading them.
pub(crate) struct RawAdapter {
    /// Chunks stand alone, not in an `Annotated`.
    pub(crate) bare: bool,
}

impl IngressRequestDecoder<RawRequest> for RawAdapter {
    fn decode_request(
        &self,
        codec: RequestPlanePayloadCodec,
        body: Bytes,
    ) -> impl Future<Output = Result<RawRequest, PipelineError>> + Send {
        std::future::ready(Ok(RawRequest { body, codec: ours(codec) }))
    }
}

impl IngressResponseEncoder<Item> for RawAdapter {
    fn encode_response(
        &self,
        codec: RequestPlanePayloadCodec,
        item: Option<Item>,
        complete_final: bool,
    ) -> impl Future<Output = Result<EncodedResponseFrame, PipelineError>> + Send {
        std::future::ready(match item {
            Some(Item::Chunk(chunk)) => match chunk_frame(ours(codec), self.bare, &chunk) {
                Ok(bytes) => {
                    Ok(EncodedResponseFrame { bytes, is_error: false, stop_stream: false })
                }
                // Were this an error here, dynamo-runtime would break off without a last frame and
                // the frontend would replay the request on the next worker, which fails alike.
                Err(error) => error_frame(
                    codec,
                    &Failure::internal(format!("a chunk is not one MessagePack value: {error}")),
                ),
            },
            Some(Item::Failed(failure)) => error_frame(codec, &failure),
            None => wrapped(codec, None, complete_final).map(|bytes| EncodedResponseFrame {
                bytes,
                is_error: false,
                stop_stream: false,
            }),
        })
    }
}

fn ours(codec: RequestPlanePayloadCodec) -> Codec {
    match codec {
        RequestPlanePayloadCodec::Msgpack => Codec::Msgpack,
        RequestPlanePayloadCodec::Json => Codec::Json,
    }
}

/// The frame in which `chunk`, one MessagePack value, goes to whoever sent the request: alone
/// (`bare`) or as the data of Dynamo's `Annotated`.
///
/// # Errors
/// For JSON alone, if `chunk` is not one MessagePack value that JSON has too. MessagePack is not read.
pub fn chunk_frame(codec: Codec, bare: bool, chunk: &[u8]) -> Result<Bytes, serde_json::Error> {
    let msgpack = codec == Codec::Msgpack;
    let around = match (msgpack, bare) {
        (true, false) => MSGPACK,
        (false, false) => JSON,
        (true, true) => BARE_MSGPACK,
        (false, true) => BARE_JSON,
    };
    // JSON is about twice as long.
    let inside = if msgpack { chunk.len() } else { 2 * chunk.len() };
    let mut frame = Vec::with_capacity(around.head.len() + inside + around.tail.len());
    frame.extend_from_slice(around.head);
    if msgpack {
        frame.extend_from_slice(chunk);
    } else {
        let mut output = serde_json::Serializer::new(&mut frame);
        let mut input = rmp_serde::Deserializer::from_read_ref(chunk);
        serde_transcode::transcode(&mut input, &mut output)?;
    }
    frame.extend_from_slice(around.tail);
    Ok(frame.into())
}

fn error_frame(
    codec: RequestPlanePayloadCodec,
    failure: &Failure,
) -> Result<EncodedResponseFrame, PipelineError> {
    let item = WireItem::new(failure)
        .map_err(|error| PipelineError::SerializationError(error.to_string()))?;
    let bytes = wrapped(codec, Some(item), false)?;
    Ok(EncodedResponseFrame { bytes, is_error: true, stop_stream: true })
}

fn wrapped(
    codec: RequestPlanePayloadCodec,
    data: Option<WireItem>,
    complete_final: bool,
) -> Result<Bytes, PipelineError> {
    codec
        .encode(&NetworkStreamWrapper { data, complete_final })
        .map(Bytes::from)
        .map_err(|error| PipelineError::SerializationError(error.to_string()))
}

/// A chunk as the JSON value the in-process callers of an endpoint read.
pub(crate) fn chunk_value(chunk: &[u8]) -> Result<serde_json::Value, serde_json::Error> {
    let mut source = rmp_serde::Deserializer::from_read_ref(chunk);
    serde_transcode::transcode(&mut source, serde_json::value::Serializer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use dynamo_host_failure::Kind;
    use dynamo_runtime::protocols::annotated::Annotated;
    use futures::executor::block_on;
    use serde_json::{Value, json};

    use super::*;

    fn encode(
        codec: RequestPlanePayloadCodec,
        item: Option<Item>,
        last: bool,
    ) -> EncodedResponseFrame {
        block_on(RawAdapter { bare: false }.encode_response(codec, item, last)).unwrap()
    }

    fn output() -> Bytes {
        rmp_serde::to_vec_named(&json!({"token_ids": [1465], "index": 0, "finish_reason": null}))
            .unwrap()
            .into()
    }

    #[test]
    fn a_chunk_is_framed_as_dynamo_frames_it() {
        let frame = encode(RequestPlanePayloadCodec::Msgpack, Some(Item::Chunk(output())), false);
        let mut expected = b"\x82\xa4data\x81\xa4data".to_vec();
        expected.extend_from_slice(&output());
        expected.extend_from_slice(b"\xaecomplete_final\xc2");
        assert_eq!(frame.bytes, expected);
        assert!(!frame.is_error && !frame.stop_stream);

        let theirs = NetworkStreamWrapper {
            data: Some(Annotated::from_data(chunk_value(&output()).unwrap())),
            complete_final: false,
        };
        for codec in [RequestPlanePayloadCodec::Msgpack, RequestPlanePayloadCodec::Json] {
            let ours = encode(codec, Some(Item::Chunk(output())), false).bytes;
            let ours: NetworkStreamWrapper<Annotated<Value>> = codec.decode(&ours).unwrap();
            assert_eq!(
                codec.encode(&ours).unwrap(),
                codec.encode(&theirs).unwrap(),
                "{}",
                codec.name()
            );
        }
    }

    #[test]
    fn a_bare_chunk_is_the_data_itself() {
        for codec in [RequestPlanePayloadCodec::Msgpack, RequestPlanePayloadCodec::Json] {
            let chunk = Some(Item::Chunk(output()));
            let frame = block_on(RawAdapter { bare: true }.encode_response(codec, chunk, false));
            let frame: NetworkStreamWrapper<Value> = codec.decode(&frame.unwrap().bytes).unwrap();
            assert_eq!(frame.data.unwrap(), chunk_value(&output()).unwrap());
        }
    }

    #[test]
    fn the_last_frame_says_so_and_nothing_else() {
        let frame = encode(RequestPlanePayloadCodec::Msgpack, None, true);
        assert_eq!(frame.bytes, b"\x81\xaecomplete_final\xc3".as_slice());
        let frame = encode(RequestPlanePayloadCodec::Json, None, true);
        assert_eq!(frame.bytes, br#"{"complete_final":true}"#.as_slice());
    }

    #[test]
    fn a_failure_becomes_an_error_item_that_ends_the_stream() {
        let failure = Failure::public(Kind::Unavailable, "the engine is gone");
        let frame = encode(RequestPlanePayloadCodec::Msgpack, Some(Item::Failed(failure)), false);
        assert!(frame.is_error && frame.stop_stream);
        let value: Value = rmp_serde::from_slice(&frame.bytes).unwrap();
        assert_eq!(value["complete_final"], json!(false));
        assert_eq!(value["data"]["event"], json!("error"));
        assert_eq!(value["data"].get("data"), None);
        let error = &value["data"]["error"];
        assert_eq!(error["class"], json!("Unavailable"));
        assert_eq!(error["reason"], json!("backend.engine_shutdown"));
        assert_eq!(error["public"], json!({"type": "message", "message": "the engine is gone"}));
    }

    #[test]
    fn a_json_frame_keeps_64_bit_integers() {
        let chunk = rmp_serde::to_vec_named(&json!({"id": u64::MAX, "n": i64::MIN})).unwrap();
        let frame = encode(RequestPlanePayloadCodec::Json, Some(Item::Chunk(chunk.into())), false);
        assert_eq!(
            frame.bytes,
            br#"{"data":{"data":{"id":18446744073709551615,"n":-9223372036854775808}},"complete_final":false}"#
                .as_slice()
        );
    }

    #[test]
    fn a_chunk_that_cannot_be_transcoded_ends_the_stream_with_a_typed_error() {
        let chunk = Bytes::from_static(b"\x82\xa4data");
        let frame = encode(RequestPlanePayloadCodec::Json, Some(Item::Chunk(chunk)), false);
        assert!(frame.is_error && frame.stop_stream);
        let value: Value = serde_json::from_slice(&frame.bytes).unwrap();
        assert_eq!(value["data"]["error"]["class"], json!("Internal"));
    }

    #[test]
    fn a_request_arrives_byte_for_byte() {
        let body = Bytes::from_static(b"\x81\xa5model\xa4tiny");
        let request = block_on(
            RawAdapter { bare: false }
                .decode_request(RequestPlanePayloadCodec::Msgpack, body.clone()),
        )
        .unwrap();
        assert_eq!(request.body.as_ptr(), body.as_ptr());
        assert_eq!(request.codec, Codec::Msgpack);
    }
}
