//! What names a component by its content.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// How a digest begins in text.
const ALGORITHM: &str = "sha256:";

/// SHA-256 of a component. In text `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Text that is no digest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no digest: it is `sha256:` and 64 hexadecimal digits, as `sha256sum` or \
     `dynamo-host plugin inspect` print them"
)]
pub struct MalformedDigest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(Sha256::digest(bytes).into())
    }

    /// The hexadecimal digits alone.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = MalformedDigest;

    fn from_str(text: &str) -> Result<Self, MalformedDigest> {
        text.strip_prefix(ALGORITHM)
            .and_then(decode)
            .map(Digest)
            .ok_or_else(|| MalformedDigest(text.to_owned()))
    }
}

fn decode(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // Of digits only: `from_str_radix` takes a sign, too.
    if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().unwrap(), Digest::of(b""));
        assert_eq!(EMPTY.to_uppercase().replace("SHA", "sha").parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn what_is_no_digest_is_refused_with_what_one_looks_like() {
        let hex = &EMPTY["sha256:".len()..];
        for text in
            ["", hex, "sha256:", &EMPTY[..70], &format!("{EMPTY}0"), &EMPTY.replace('e', "é")]
        {
            let error = text.parse::<Digest>().unwrap_err();
            assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
        }
        assert!(format!("sha256:{}", "+1".repeat(32)).parse::<Digest>().is_err());
    }
}
