//! Finding a place in a MessagePack value without decoding it, and where a value ends.

use std::borrow::Cow;
use std::ops::Range;

use rmp::Marker;

/// Deepest nesting looked into; a chunk has a few levels.
const DEEPEST: usize = 64;

/// Where in `bytes` the value is that `path` leads to, by names of members and positions in lists.
pub(crate) fn place(bytes: &[u8], path: &[Cow<'_, str>]) -> Option<Range<usize>> {
    let mut rest = bytes;
    for token in path {
        step_into(&mut rest, token)?;
    }
    let start = bytes.len() - rest.len();
    skip(&mut rest, DEEPEST)?;
    Some(start..bytes.len() - rest.len())
}

/// The value that `rest` begins with, which is read past. None if it does not end, or nests deeper than
/// `deepest`; where `rest` stands then is not said.
pub(crate) fn value<'a>(rest: &mut &'a [u8], deepest: usize) -> Option<&'a [u8]> {
    let bytes = *rest;
    skip(rest, deepest)?;
    bytes.get(..bytes.len() - rest.len())
}

/// Goes to the member or element `token` of the map or list at the beginning of `rest`.
fn step_into(rest: &mut &[u8], token: &str) -> Option<()> {
    match head(rest)? {
        Head::Map(members) => {
            for _ in 0..members {
                let mut key = *rest;
                skip(rest, DEEPEST)?;
                if matches!(head(&mut key), Some(Head::Text(length)) if key.get(..length) == Some(token.as_bytes()))
                {
                    return Some(());
                }
                skip(rest, DEEPEST)?;
            }
            None
        }
        Head::List(elements) => {
            let position = token.parse::<usize>().ok().filter(|position| *position < elements)?;
            (0..position).try_for_each(|_| skip(rest, DEEPEST))
        }
        Head::Text(_) | Head::Plain(_) => None,
    }
}

/// Goes past one value.
fn skip(rest: &mut &[u8], deepest: usize) -> Option<()> {
    let inside = deepest.checked_sub(1)?;
    match head(rest)? {
        Head::Map(members) => (0..members.checked_mul(2)?).try_for_each(|_| skip(rest, inside)),
        Head::List(elements) => (0..elements).try_for_each(|_| skip(rest, inside)),
        Head::Text(length) | Head::Plain(length) => {
            *rest = rest.get(length..)?;
            Some(())
        }
    }
}

/// What a value begins with; it is read past.
pub(crate) enum Head {
    /// So many members follow.
    Map(usize),
    /// So many elements follow.
    List(usize),
    /// So many bytes of text follow.
    Text(usize),
    /// So many bytes of anything else follow.
    Plain(usize),
}

pub(crate) fn head(rest: &mut &[u8]) -> Option<Head> {
    let marker = rmp::decode::read_marker(rest).ok()?;
    Some(match marker {
        Marker::FixMap(members) => Head::Map(members.into()),
        Marker::Map16 => Head::Map(number(rest, 2)?),
        Marker::Map32 => Head::Map(number(rest, 4)?),
        Marker::FixArray(elements) => Head::List(elements.into()),
        Marker::Array16 => Head::List(number(rest, 2)?),
        Marker::Array32 => Head::List(number(rest, 4)?),
        Marker::FixStr(length) => Head::Text(length.into()),
        Marker::Str8 => Head::Text(number(rest, 1)?),
        Marker::Str16 => Head::Text(number(rest, 2)?),
        Marker::Str32 => Head::Text(number(rest, 4)?),
        Marker::Bin8 => Head::Plain(number(rest, 1)?),
        Marker::Bin16 => Head::Plain(number(rest, 2)?),
        Marker::Bin32 => Head::Plain(number(rest, 4)?),
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => {
            Head::Plain(0)
        }
        Marker::U8 | Marker::I8 => Head::Plain(1),
        Marker::U16 | Marker::I16 => Head::Plain(2),
        Marker::U32 | Marker::I32 | Marker::F32 => Head::Plain(4),
        Marker::U64 | Marker::I64 | Marker::F64 => Head::Plain(8),
        // An extension has a byte for its type.
        Marker::FixExt1 => Head::Plain(2),
        Marker::FixExt2 => Head::Plain(3),
        Marker::FixExt4 => Head::Plain(5),
        Marker::FixExt8 => Head::Plain(9),
        Marker::FixExt16 => Head::Plain(17),
        Marker::Ext8 => Head::Plain(number(rest, 1)?.checked_add(1)?),
        Marker::Ext16 => Head::Plain(number(rest, 2)?.checked_add(1)?),
        Marker::Ext32 => Head::Plain(number(rest, 4)?.checked_add(1)?),
        Marker::Reserved => return None,
    })
}

/// A number of so many bytes, the first the highest.
fn number(rest: &mut &[u8], bytes: usize) -> Option<usize> {
    let (number, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(number.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn found(value: &Value, path: &[&str]) -> Option<Value> {
        let bytes = rmp_serde::to_vec(value).unwrap();
        let path: Vec<_> = path.iter().map(|token| Cow::Borrowed(*token)).collect();
        place(&bytes, &path).map(|at| rmp_serde::from_slice(&bytes[at]).unwrap())
    }

    #[test]
    fn values_of_every_size_are_passed() {
        let many: Vec<u32> = (0..70_000).collect();
        let value = json!({
            "small": [1, -1, null, true, 200, -100, 40_000, -40_000, 5_000_000_000_u64, 1.5],
            "text": ["x".repeat(20), "x".repeat(200), "x".repeat(70_000)],
            "lists": [(0..20).collect::<Vec<_>>(), many],
            "map": (0..20).map(|n| (n.to_string(), n)).collect::<std::collections::BTreeMap<_, _>>(),
            "z": {"last": [1, 2, {"b": "here"}]},
        });
        assert_eq!(found(&value, &["z", "last", "2", "b"]), Some(json!("here")));
        assert_eq!(found(&value, &["small", "9"]), Some(json!(1.5)));
        assert_eq!(found(&value, &["map", "7"]), Some(json!(7)));
        assert_eq!(found(&value, &["z", "last", "3"]), None);
        assert_eq!(found(&value, &["none"]), None);
    }

    #[test]
    fn bytes_that_are_no_value_end_the_search() {
        for bytes in [&b""[..], b"\xc1", b"\x82\xa1a", b"\xdf\xff\xff\xff\xff", b"\xd9"] {
            assert_eq!(place(bytes, &[Cow::Borrowed("b")]), None, "{bytes:?}");
        }
        let deep = [0x91; 100];
        assert_eq!(place(&deep, &[]), None);
    }
}
