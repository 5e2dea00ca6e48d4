//! What a call must carry that changes the worker's state.

use std::fmt;

use dynamo_host_failure::{Failure, Kind};
use serde_json::Value;

/// The member of a call's body in which the token travels. dynamo-runtime 1.6.1 shows a route the
/// body of a call and no header.
const MEMBER: &str = "token";

/// A secret that operators share with the worker. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct RouteToken(blake3::Hash);

impl fmt::Debug for RouteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteToken")
    }
}

impl RouteToken {
    /// The token `secret`.
    pub fn new(secret: &str) -> Self {
        RouteToken(blake3::hash(secret.as_bytes()))
    }

    /// Takes the token out of a call's body.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] if it is not there, or another.
    pub(crate) fn take_from(&self, body: &mut Value) -> Result<(), Failure> {
        let given = body.as_object_mut().and_then(|members| members.remove(MEMBER));
        let given = given.as_ref().and_then(Value::as_str);
        // Hashes are compared in constant time.
        if given.is_some_and(|secret| blake3::hash(secret.as_bytes()) == self.0) {
            return Ok(());
        }
        let wrong = match given {
            Some(_) => "the token is another one",
            None => "the body must be an object with the operators' token in the member `token`",
        };
        Err(Failure::new(Kind::Unauthenticated, wrong))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_is_taken_out_of_what_the_route_sees() {
        let mut body = json!({"token": "s3cret", "tag": "a"});
        RouteToken::new("s3cret").take_from(&mut body).unwrap();
        assert_eq!(body, json!({"tag": "a"}));
    }

    #[test]
    fn without_it_or_with_another_nothing_is_done() {
        for mut body in [json!({}), json!([]), json!({"token": 1}), json!({"token": "s3cre"})] {
            let failure = RouteToken::new("s3cret").take_from(&mut body).unwrap_err();
            assert_eq!(failure.kind, Kind::Unauthenticated, "{body}");
        }
        assert!(!format!("{:?}", RouteToken::new("s3cret")).contains("s3cret"));
    }
}
