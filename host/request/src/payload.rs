//! From the payload as it arrived to what a plugin gets: JSON without the token ids.
//!
//! One pass over the bytes. The ids, which are nearly all of a long request, go straight into a
//! list; the plugin reads them through a handle if it wants to, and [`splice`](crate::splice) writes
//! them into the engine call.

use std::fmt;
use std::sync::Arc;

use dynamo_host_failure::{Failure, Kind};
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer as _};

use crate::msgpack::{self, Head};
use crate::token_ids;

/// The member that stays in the host.
const TOKEN_IDS: &str = "token_ids";

/// Deepest nesting of a payload, as JSON has it. Each level takes from the stack of a thread, and
/// MessagePack needs a byte for one.
const DEEPEST: usize = 128;

type Json<'a> = serde_json::Serializer<&'a mut Vec<u8>>;
type MsgpackError = rmp_serde::decode::Error;

/// How a payload is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// What Dynamo's request plane speaks by default.
    Msgpack,
    /// What workers that do not advertise a codec get, and what health checks are written in.
    Json,
}

/// A request taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The request as JSON, less its `token_ids`.
    pub body: Vec<u8>,
    /// The `token_ids`, if there was such a member and it was not null.
    pub token_ids: Option<Arc<[u32]>>,
}

impl Payload {
    /// Takes `bytes` apart.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] if it is not an object in `codec`, or its `token_ids` are neither a
    /// list of token ids nor one packed string of 32-bit little-endian integers
    /// (`DYN_TOKEN_IDS_AS_BYTES` of the frontend).
    pub fn read(bytes: &[u8], codec: Codec) -> Result<Self, Failure> {
        let mut body = Vec::with_capacity(1024);
        let mut json = serde_json::Serializer::new(&mut body);
        let token_ids = match codec {
            Codec::Msgpack => take_apart(bytes, &mut json).map_err(|error| error.to_string()),
            Codec::Json => {
                let mut text = serde_json::Deserializer::from_slice(bytes);
                text.deserialize_map(TakeApart { json: &mut json })
                    .and_then(|ids| text.end().map(|()| ids))
                    .map_err(|error| error.to_string())
            }
        }
        .map_err(|error| {
            Failure::new(Kind::InvalidRequest, format!("the request cannot be read: {error}"))
        })?;
        Ok(Payload { body, token_ids })
    }
}

/// Copies a map from MessagePack to JSON, all but the token ids.
///
/// Not by a visitor, as from JSON: it would be asked for each of the ids by itself.
fn take_apart(bytes: &[u8], json: &mut Json<'_>) -> Result<Option<Arc<[u32]>>, MsgpackError> {
    let mut rest = bytes;
    let Some(Head::Map(members)) = msgpack::head(&mut rest) else {
        return Err(MsgpackError::custom("it is not an object"));
    };
    let mut ids = None;
    let mut json = json.serialize_map(None).map_err(MsgpackError::custom)?;
    for _ in 0..members {
        let name;
        (name, rest) = rmp::decode::read_str_from_slice(rest).map_err(MsgpackError::custom)?;
        if name == TOKEN_IDS
            && let Some((read, after)) = token_ids::read(rest)
        {
            (ids, rest) = (Some(read), after);
            continue;
        }
        let value = msgpack::value(&mut rest, DEEPEST).ok_or_else(|| {
            MsgpackError::custom(format!("its `{name}` is cut off or nests too deep"))
        })?;
        let mut value = rmp_serde::Deserializer::from_read_ref(value);
        value.set_max_depth(DEEPEST - 1);
        if name == TOKEN_IDS {
            ids = TokenIds.deserialize(&mut value)?;
        } else {
            json.serialize_key(name).map_err(MsgpackError::custom)?;
            Copy { to: &mut json }.deserialize(&mut value)?;
        }
    }
    json.end().map_err(MsgpackError::custom)?;
    if !rest.is_empty() {
        return Err(MsgpackError::custom("trailing bytes"));
    }
    Ok(ids)
}

/// The same from JSON.
struct TakeApart<'a> {
    json: &'a mut Json<'a>,
}

impl<'de> Visitor<'de> for TakeApart<'_> {
    type Value = Option<Arc<[u32]>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut token_ids = None;
        let mut json = self.json.serialize_map(None).map_err(de::Error::custom)?;
        while let Some(name) = map.next_key::<String>()? {
            if name == TOKEN_IDS {
                token_ids = map.next_value_seed(TokenIds)?;
                continue;
            }
            json.serialize_key(&name).map_err(de::Error::custom)?;
            map.next_value_seed(Copy { to: &mut json })?;
        }
        json.end().map_err(de::Error::custom)?;
        Ok(token_ids)
    }
}

/// Copies one value as it is.
struct Copy<'a, M> {
    to: &'a mut M,
}

impl<'de, M: SerializeMap> DeserializeSeed<'de> for Copy<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.to.serialize_value(&serde_transcode::Transcoder::new(value)).map_err(de::Error::custom)
    }
}

/// Token ids in either form.
struct TokenIds;

impl<'de> DeserializeSeed<'de> for TokenIds {
    type Value = Option<Arc<[u32]>>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TokenIds {
    type Value = Option<Arc<[u32]>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("token_ids: a list of token ids, or packed 32-bit little-endian integers")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        // A length that lies must not make us reserve what never comes.
        let mut ids = Vec::with_capacity(list.size_hint().unwrap_or(0).min(1 << 20));
        let named = |at: usize, error| A::Error::custom(format!("token_ids[{at}]: {error}"));
        while let Some(id) = list.next_element().map_err(|error| named(ids.len(), error))? {
            ids.push(id);
        }
        Ok(Some(ids.into()))
    }

    fn visit_bytes<E: de::Error>(self, packed: &[u8]) -> Result<Self::Value, E> {
        let (ids, rest) = packed.as_chunks::<4>();
        if !rest.is_empty() {
            let bytes = packed.len();
            return Err(E::custom(format!(
                "token_ids: {bytes} packed bytes are not whole integers"
            )));
        }
        ids.iter()
            .map(|bytes| {
                let id = i32::from_le_bytes(*bytes);
                u32::try_from(id).map_err(|_| E::custom(format!("token_ids: {id} is negative")))
            })
            .collect::<Result<_, E>>()
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn msgpack(value: &impl Serialize) -> Vec<u8> {
        rmp_serde::to_vec_named(value).unwrap()
    }

    #[test]
    fn the_token_ids_stay_and_the_rest_becomes_json() {
        let request =
            json!({"model": "m", "token_ids": [1, 70000], "stop": {"n": null}, "seed": u64::MAX});
        let expected = json!({"model": "m", "stop": {"n": null}, "seed": u64::MAX});
        for (bytes, codec) in
            [(msgpack(&request), Codec::Msgpack), (request.to_string().into(), Codec::Json)]
        {
            let payload = Payload::read(&bytes, codec).unwrap();
            assert_eq!(payload.token_ids.as_deref(), Some(&[1, 70000][..]));
            assert_eq!(serde_json::from_slice::<Value>(&payload.body).unwrap(), expected);
        }
    }

    #[test]
    fn a_single_precision_number_keeps_its_short_form() {
        #[derive(Serialize)]
        struct Sampling {
            temperature: f32,
        }
        let payload =
            Payload::read(&msgpack(&Sampling { temperature: 0.7 }), Codec::Msgpack).unwrap();
        assert_eq!(payload.body, br#"{"temperature":0.7}"#);
        assert_eq!(payload.token_ids, None);
    }

    #[test]
    fn every_digit_of_a_number_counts() {
        let penalties: Vec<f64> = (1..1000).map(|n| f64::from(n) / 7.0 - 20.0).collect();
        let request = json!({"penalties": penalties}).to_string();
        let payload = Payload::read(request.as_bytes(), Codec::Json).unwrap();
        assert_eq!(String::from_utf8(payload.body).unwrap(), request);
    }

    #[test]
    fn packed_ids_are_unpacked() {
        // {"token_ids": bin 8 [...]}
        let packed = |bytes: &[u8]| {
            let mut request = b"\x81\xa9token_ids\xc4".to_vec();
            request.push(bytes.len() as u8);
            request.extend_from_slice(bytes);
            Payload::read(&request, Codec::Msgpack)
        };
        let ids = packed(&[7, 0, 0, 0, 0, 1, 0, 0]).unwrap().token_ids;
        assert_eq!(ids.as_deref(), Some(&[7, 256][..]));
        for bad in [&[7, 0, 0][..], &[255, 255, 255, 255]] {
            let failure = packed(bad).unwrap_err();
            assert_eq!(failure.kind, Kind::InvalidRequest);
            assert!(failure.message.contains("token_ids"), "{failure}");
        }
    }

    #[test]
    fn what_is_cut_off_is_refused_wherever_that_is() {
        let request = json!({"model": "m", "token_ids": [1, 300, 70000], "stop": {"n": [null]}});
        let bytes = msgpack(&request);
        assert!(Payload::read(&bytes, Codec::Msgpack).is_ok());
        for length in 0..bytes.len() {
            let failure = Payload::read(&bytes[..length], Codec::Msgpack).unwrap_err();
            assert_eq!(failure.kind, Kind::InvalidRequest, "{length} bytes");
        }
        assert!(Payload::read(&[&bytes[..], b"\xc0"].concat(), Codec::Msgpack).is_err());
    }

    #[test]
    fn neither_codec_nests_deeper_than_the_other() {
        let nested = |levels: usize| {
            let value = (1..levels).fold(json!(null), |inner, _| json!([inner]));
            json!({"a": value})
        };
        for (levels, is_read) in [(127, true), (128, false)] {
            let request = nested(levels);
            let bytes = msgpack(&request);
            assert_eq!(Payload::read(&bytes, Codec::Msgpack).is_ok(), is_read, "{levels}");
            let text = request.to_string();
            assert_eq!(Payload::read(text.as_bytes(), Codec::Json).is_ok(), is_read, "{levels}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_the_callers_fault() {
        for bad in
            [&b"[1]"[..], b"{\"token_ids\":[-1]}", b"{\"token_ids\":\"x\"}", b"{", b"", b"{}}"]
        {
            assert_eq!(Payload::read(bad, Codec::Json).unwrap_err().kind, Kind::InvalidRequest);
        }
    }

    #[test]
    fn a_token_id_that_is_none_is_named() {
        let request = json!({"token_ids": [1, "2"]});
        for (bytes, codec) in
            [(msgpack(&request), Codec::Msgpack), (request.to_string().into(), Codec::Json)]
        {
            let failure = Payload::read(&bytes, codec).unwrap_err();
            assert!(failure.message.contains("token_ids[1]: "), "{failure}");
        }
    }
}
