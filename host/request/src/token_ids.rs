//! Token ids on their way through: from MessagePack to a list, from the list to the digits of JSON.
//!
//! A long prompt is nearly nothing else, so both ways are free of branches for the forms that occur.

use std::sync::Arc;

use crate::msgpack::{self, Head};

/// What an id is, by its first byte in MessagePack: its length in bytes, that one included. Zero for
/// what must be looked at more closely.
const LENGTHS: [u8; 256] = {
    let mut lengths = [0; 256];
    let mut small = 0;
    while small <= 0x7f {
        lengths[small] = 1;
        small += 1;
    }
    (lengths[0xcc], lengths[0xcd], lengths[0xce]) = (2, 3, 5);
    lengths
};

/// The bits that are the id, by that length.
const MASKS: [u64; 6] = [0, 0x7f, 0xff, 0xffff, 0, 0xffff_ffff];

/// The list of ids that `bytes` begins with, and what follows it. None if it is no list, or something
/// in it is no id.
pub(crate) fn read(bytes: &[u8]) -> Option<(Arc<[u32]>, &[u8])> {
    let mut rest = bytes;
    let Head::List(count) = msgpack::head(&mut rest)? else { return None };
    // Each has a byte at least: a length that lies must not make us reserve what never comes.
    if count > rest.len() {
        return None;
    }
    let mut all_are_ids = true;
    // Written where they stay, since the number of them is known.
    let ids = (0..count).map(|_| {
        next(&mut rest).unwrap_or_else(|| {
            all_are_ids = false;
            0
        })
    });
    let ids: Arc<[u32]> = ids.collect();
    all_are_ids.then_some((ids, rest))
}

fn next(rest: &mut &[u8]) -> Option<u32> {
    if let Some(window) = rest.first_chunk::<8>() {
        let length = LENGTHS[usize::from(window[0])];
        if length > 0 {
            *rest = &rest[usize::from(length)..];
            let bits = u64::from_be_bytes(*window) >> (64 - 8 * length);
            return u32::try_from(bits & MASKS[usize::from(length)]).ok();
        }
    }
    rmp::decode::read_int(rest).ok()
}

/// Ids that are written before they are appended.
const AT_ONCE: usize = 64;

/// The longest id and its comma, and room for all eight bytes of a number that is shorter.
const LONGEST: usize = 11;

/// Appends `ids` with commas between them.
pub(crate) fn write(ids: &[u32], text: &mut Vec<u8>) {
    let mut digits = [0; AT_ONCE * LONGEST];
    for ids in ids.chunks(AT_ONCE) {
        let mut at = 0;
        for id in ids {
            at += digits_of(*id, &mut digits[at..]);
            digits[at] = b',';
            at += 1;
        }
        text.extend_from_slice(&digits[..at]);
    }
    if !ids.is_empty() {
        text.pop();
    }
}

/// Writes the digits of `id` to the beginning of `place`, and says how many they are. What stands up
/// to eight bytes further is overwritten.
fn digits_of(id: u32, place: &mut [u8]) -> usize {
    if id < 100_000_000
        && let Some(place) = place.first_chunk_mut::<8>()
    {
        let digits = eight_digits(id);
        // Zero has a digit, too.
        let zeros = (digits | (1 << 56)).trailing_zeros() / 8;
        *place = ((digits | u64::from_ne_bytes([b'0'; 8])) >> (8 * zeros)).to_le_bytes();
        return 8 - zeros as usize;
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(id).as_bytes();
    place[..digits.len()].copy_from_slice(digits);
    digits.len()
}

/// The eight decimal digits of a number, each in a byte, the first in the lowest: all pairs are halved
/// at once, as Paul Khuong describes in "How to print integers really fast".
fn eight_digits(id: u32) -> u64 {
    let id = u64::from(id);
    let fours = (id / 10_000) | ((id % 10_000) << 32);
    // 10486 / 2^20 is a hundredth for four digits, 103 / 2^10 a tenth for two.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Those at which a form or a length changes, and some between.
    fn ids() -> Vec<u32> {
        let edges = (0..32).map(|bits| 1 << bits).chain((0..10).map(|power| 10_u32.pow(power)));
        let around = edges.flat_map(|edge| [edge - 1, edge, edge + 1]);
        around.chain((0..200_000).step_by(7)).chain([u32::MAX]).collect()
    }

    #[test]
    fn ids_are_read_as_they_were_written() {
        let mut bytes = rmp_serde::to_vec(&ids()).unwrap();
        bytes.extend_from_slice(b"rest");
        let (read, rest) = read(&bytes).unwrap();
        assert_eq!((&read[..], rest), (&ids()[..], &b"rest"[..]));
        assert_eq!(super::read(b"\x90").unwrap().0.len(), 0);
    }

    #[test]
    fn other_forms_of_the_same_numbers_are_read() {
        let signed = rmp_serde::to_vec(&[7_i64, 300, 70_000, 5_000_000_000]).unwrap();
        assert_eq!(super::read(&signed), None, "the last is too large");
        // int 16, int 32, int 64 and uint 64
        let forms =
            b"\x94\xd1\x01\x2c\xd2\x00\x01\x11\x70\xd3\0\0\0\0\0\0\0\x07\xcf\0\0\0\0\0\0\0\x08";
        assert_eq!(&super::read(forms).unwrap().0[..], [300, 70_000, 7, 8]);
    }

    #[test]
    fn what_is_no_list_of_ids_is_not_read() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x91",
            b"\x92\x01",
            b"\x91\xff",
            b"\x91\xc0",
            b"\xdd\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn ids_become_the_digits_of_json() {
        for ids in [ids(), vec![], vec![0], (0..64).collect(), vec![u32::MAX; 65]] {
            let mut text = b"[".to_vec();
            write(&ids, &mut text);
            text.push(b']');
            assert_eq!(text, serde_json::to_vec(&ids).unwrap());
        }
    }
}
