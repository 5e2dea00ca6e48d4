//! How large a picture is to be.

use std::fmt;

use super::Limits;
use crate::{Error, Result};

/// Width and height in pixels, neither of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Size {
    /// Reads `WxH`, as Dynamo's handlers do, and holds it against the operator's limit.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind), public: it is not of that form, has nothing in it, or is
    /// over the limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self> {
        let malformed = || {
            Error::invalid_request(format!(
                "size: `{text}` is not of the form WxH, such as 832x480"
            ))
        };
        let (width, height) = text.split_once('x').ok_or_else(malformed)?;
        let number = |digits: &str| -> Result<u64> {
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            // More than 20 digits are over any limit.
            if all_digits { Ok(digits.parse().unwrap_or(u64::MAX)) } else { Err(malformed()) }
        };
        let (width, height) = (number(width)?, number(height)?);
        if width == 0 || height == 0 {
            return Err(Error::invalid_request(format!(
                "size: `{text}` has no pixels; width and height must be positive"
            )));
        }
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width_32), Ok(height_32)) if width * height <= limits.max_pixels => {
                Ok(Size { width: width_32, height: height_32 })
            }
            _ => Err(Error::invalid_request(format!(
                "size: `{text}` is over this worker's limit of {} pixels",
                limits.max_pixels
            ))),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Kind;

    const LIMITS: Limits = Limits { max_pixels: 1_000_000, max_frames: 1, max_steps: 1 };

    #[test]
    fn width_comes_first() {
        let size = Size::parse("512x768", &LIMITS).unwrap();
        assert_eq!((size.width, size.height), (512, 768));
        assert_eq!(size.to_string(), "512x768");
        assert!(Size::parse("1000x1000", &LIMITS).is_ok());
    }

    #[test]
    fn what_is_no_size_is_named() {
        let huge = format!("{0}x{0}", "9".repeat(40));
        for text in [
            "",
            "x",
            "big",
            "10x",
            "x10",
            "0x0",
            "0x10",
            "1x2x3",
            "-1x5",
            "+1x5",
            "1.5x2",
            " 1x2",
            "99999x99999",
            "1001x1000",
            "4294967296x1",
            &huge,
        ] {
            let failure = Size::parse(text, &LIMITS).unwrap_err().into_failure();
            assert_eq!(failure.kind, Kind::InvalidRequest, "{text}");
            assert!(failure.public && failure.message.starts_with("size: "), "{}", failure.message);
        }
    }
}
