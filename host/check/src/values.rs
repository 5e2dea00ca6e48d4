//! Between the JSON of a case file and the MessagePack of Dynamo's request plane.
//!
//! JSON has no byte strings. `{"$bytes_b64": "AQEAAA=="}` stands for one, in both directions.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Number, Value};

/// The member whose object stands for a byte string.
pub(crate) const BYTES: &str = "$bytes_b64";

/// The bytes an object stands for; none if it is an ordinary object.
pub(crate) fn as_bytes(object: &Map<String, Value>) -> Option<Result<Vec<u8>, String>> {
    let text = object.get(BYTES).filter(|_| object.len() == 1)?;
    Some(match text {
        Value::String(text) => {
            STANDARD.decode(text).map_err(|error| format!("`{BYTES}` is not base64: {error}"))
        }
        _ => Err(format!("`{BYTES}` is not a string")),
    })
}

/// Writes a JSON value as MessagePack, maps with string keys, floats with 64 bits.
///
/// # Errors
/// If a byte string is not base64; says so in words.
pub fn to_msgpack(value: &Value) -> Result<Vec<u8>, String> {
    rmp_serde::to_vec(&Packed(value)).map_err(|error| error.to_string())
}

/// Reads one MessagePack value as JSON.
///
/// A float of 32 bits becomes the shortest decimal that means it, so that 0.7 stays 0.7. What JSON
/// cannot say (a map key that is no string, an infinite float, an extension type) is an error.
///
/// # Errors
/// If the bytes are not one whole MessagePack value, or JSON cannot say it; in words.
pub fn from_msgpack(bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    let Unpacked(value) =
        Unpacked::deserialize(&mut reader).map_err(|error| format!("not MessagePack: {error}"))?;
    match rest.len() {
        0 => Ok(value),
        more => Err(format!("{more} bytes follow the MessagePack value")),
    }
}

/// A JSON value on its way to MessagePack.
struct Packed<'a>(&'a Value);

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Packed(item))?;
                }
                seq.end()
            }
            Value::Object(members) => match as_bytes(members) {
                Some(Ok(bytes)) => serializer.serialize_bytes(&bytes),
                Some(Err(why)) => Err(S::Error::custom(why)),
                None => {
                    let mut map = serializer.serialize_map(Some(members.len()))?;
                    for (name, member) in members {
                        map.serialize_entry(name, &Packed(member))?;
                    }
                    map.end()
                }
            },
            plain => plain.serialize(serializer),
        }
    }
}

/// A MessagePack value on its way to JSON.
struct Unpacked(Value);

impl<'de> Deserialize<'de> for Unpacked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Unpacked)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value JSON can say")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<Value, E> {
        let shortest: f64 = value.to_string().parse().map_err(E::custom)?;
        self.visit_f64(shortest)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom(format!("{value} is not a JSON number")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(serde_json::json!({ BYTES: STANDARD.encode(value) }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unpacked(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unpacked(member))) = map.next_entry::<String, Unpacked>()? {
            if members.insert(name.clone(), member).is_some() {
                return Err(A::Error::custom(format!("the key `{name}` comes twice")));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        for value in [
            json!(null),
            json!([true, "ä", [], {}]),
            json!({"max": u64::MAX, "min": i64::MIN, "room": 9_007_199_254_740_993_u64}),
            json!({"temperature": 0.7, "tiny": -1e-30}),
            json!({"token_ids": {"$bytes_b64": "AQEAAAIAAAA="}}),
        ] {
            assert_eq!(from_msgpack(&to_msgpack(&value).unwrap()).unwrap(), value);
        }
    }

    #[test]
    fn byte_strings_are_msgpack_bin() {
        let bytes = to_msgpack(&json!({"$bytes_b64": "AQI="})).unwrap();
        assert_eq!(bytes, [0xc4, 2, 1, 2]);
    }

    #[test]
    fn only_a_sole_member_stands_for_bytes() {
        let object = json!({"$bytes_b64": "AQI=", "other": 1});
        assert_eq!(from_msgpack(&to_msgpack(&object).unwrap()).unwrap(), object);
    }

    #[test]
    fn a_short_float_keeps_its_decimal() {
        let bytes = rmp_serde::to_vec(&[0.7_f32, -2.0]).unwrap();
        assert_eq!(from_msgpack(&bytes).unwrap().to_string(), "[0.7,-2.0]");
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        let keys = std::collections::BTreeMap::from([(1, 2)]);
        assert!(from_msgpack(&rmp_serde::to_vec(&keys).unwrap()).is_err());
        assert!(from_msgpack(&rmp_serde::to_vec(&f64::NAN).unwrap()).is_err());
        assert!(from_msgpack(&[0xd4, 1, 0]).is_err());
        assert!(from_msgpack(&[0x82, 0xa1, b'a', 1, 0xa1, b'a', 2]).unwrap_err().contains("`a`"));
        assert!(from_msgpack(&[1, 2]).unwrap_err().contains("1 bytes follow"));
        assert!(from_msgpack(&[]).is_err());
        assert!(to_msgpack(&json!({"$bytes_b64": "!"})).unwrap_err().contains("base64"));
        assert!(to_msgpack(&json!({"$bytes_b64": 1})).unwrap_err().contains("not a string"));
    }
}
