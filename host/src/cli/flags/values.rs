//! Values of flags, from their text.

use std::time::Duration;

use serde_json::Value;

use super::router::Limit;

/// `NAME=VALUE`, the value as JSON where it is some.
pub(super) fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), json))
}

/// Seconds, whole or not. Less than none is none, as Dynamo takes it.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.trim().parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|error| error.to_string())
}

/// A number that is not negative, or none.
pub(super) fn not_negative(text: &str) -> Result<Limit, String> {
    if ["", "None"].contains(&text) {
        return Ok(Limit(None));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Limit(Some(number))),
        _ => Err(format!("`{text}` is neither None nor a number that is not negative")),
    }
}

/// A number from 0 to 1, or none.
pub(super) fn fraction(text: &str) -> Result<Limit, String> {
    match not_negative(text) {
        Ok(Limit(Some(number))) if number > 1.0 => Err(format!("{text} is more than 1.0")),
        parsed => parsed,
    }
}

/// One of Dynamo's output modalities, in lower case.
pub(super) fn modality(text: &str) -> Result<String, String> {
    let name = text.to_lowercase();
    if ["text", "image", "video", "audio"].contains(&name.as_str()) {
        Ok(name)
    } else {
        Err("use text, image, video or audio".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_setting_is_json_where_it_can_be() {
        assert_eq!(setting("a=1").unwrap(), ("a".into(), Value::from(1)));
        assert_eq!(setting("a=b=c").unwrap(), ("a".into(), Value::from("b=c")));
        assert!(setting("a").is_err());
    }

    #[test]
    fn a_negative_time_is_none() {
        assert_eq!(seconds("-3").unwrap(), Duration::ZERO);
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(seconds("soon").is_err());
    }

    #[test]
    fn a_limit_may_be_none() {
        assert_eq!(not_negative("None").unwrap(), Limit(None));
        assert_eq!(fraction("0.5").unwrap(), Limit(Some(0.5)));
        assert!(fraction("1.5").is_err() && not_negative("-1").is_err());
    }

    #[test]
    fn modalities_have_names() {
        assert_eq!(modality("Image").unwrap(), "image");
        assert!(modality("smell").is_err());
    }
}
