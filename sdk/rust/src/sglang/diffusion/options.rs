//! Numbers of a request, checked before anything is done: the engine refuses wrong ones too, but only
//! when it gets to them, and not always by name.

use super::Limits;
use crate::{Error, Result};

/// A number that counts something, such as steps or frames: at least 1, at most `limit`.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), public, naming `member`.
pub fn count(member: &str, value: i64, limit: u64) -> Result<u64> {
    match u64::try_from(value) {
        Err(_) | Ok(0) => {
            Err(Error::invalid_request(format!("{member}: {value} must be a positive number")))
        }
        Ok(count) if count > limit => Err(Error::invalid_request(format!(
            "{member}: {value} is over this worker's limit of {limit}"
        ))),
        Ok(count) => Ok(count),
    }
}

/// Denoising steps.
///
/// # Errors
/// Those of [`count`].
pub fn steps(value: i64, limits: &Limits) -> Result<u64> {
    count("num_inference_steps", value, limits.max_steps)
}

/// How closely the prompt is followed.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), public, for a negative number.
pub fn guidance_scale(value: f64) -> Result<f64> {
    if value < 0.0 {
        return Err(Error::invalid_request(format!(
            "guidance_scale: {value} must not be negative"
        )));
    }
    Ok(value)
}

/// The seed: the client's, or else the one the host has drawn.
///
/// # Errors
/// [`Kind::InvalidRequest`](crate::Kind), public, for a negative number.
pub fn seed(value: Option<i64>, drawn: u32) -> Result<u64> {
    let Some(seed) = value else { return Ok(drawn.into()) };
    u64::try_from(seed)
        .map_err(|_| Error::invalid_request(format!("seed: {seed} must not be negative")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn counts_have_two_ends() {
        assert_eq!(count("n", 1, 5).unwrap(), 1);
        assert_eq!(count("n", 5, 5).unwrap(), 5);
        for wrong in [0, -1, 6, i64::MIN, i64::MAX] {
            let error = count("n", wrong, 5).unwrap_err();
            assert!(error.message().starts_with(&format!("n: {wrong} ")), "{error:?}");
        }
    }

    #[test]
    fn a_seed_of_zero_is_one() {
        assert_eq!(seed(Some(0), 7).unwrap(), 0);
        assert_eq!(seed(None, 7).unwrap(), 7);
        assert!(seed(Some(-1), 7).unwrap_err().message().starts_with("seed: "));
    }

    #[test]
    fn guidance_may_be_none() {
        assert!(guidance_scale(0.0).is_ok());
        assert!(guidance_scale(-0.5).unwrap_err().message().starts_with("guidance_scale: "));
    }
}
