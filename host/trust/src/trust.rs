//! What the operator asks of a component before it may run.

use crate::keys::read_signature;
use crate::{Digest, PublicKey};

/// The operator's conditions. By default there are none: whoever can give the host a plugin is
/// trusted with what plugins are granted.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    digests: Vec<Digest>,
    keys: Vec<PublicKey>,
}

/// A component that must not run. Each says what would have to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Another component than those pinned.
    #[error("{origin} is {found}, and only {} may be loaded (--plugin-digest)", list(allowed))]
    OtherDigest {
        /// Where it is from.
        origin: String,
        /// Its digest.
        found: Digest,
        /// Those that may be loaded.
        allowed: Vec<Digest>,
    },
    /// No signature, where one is asked for.
    #[error(
        "{origin} is not signed (there is no {origin}.sig), and only plugins signed by a \
         trusted key may be loaded (--plugin-trusted-keys): sign it with `dynamo-host plugin sign`"
    )]
    Unsigned {
        /// Where it is from.
        origin: String,
    },
    /// A signature that is none.
    #[error("the signature of {origin} is malformed: it is 64 bytes, or these in base64")]
    MalformedSignature {
        /// Where the component is from.
        origin: String,
    },
    /// A signature of somebody else's, or over something else.
    #[error(
        "the signature of {origin} is not one of {} over this file: either another key signed it, or \
         the file has been changed since. It is {found}",
        list(keys)
    )]
    WrongSignature {
        /// Where the component is from.
        origin: String,
        /// The component's digest.
        found: Digest,
        /// The keys that are trusted.
        keys: Vec<PublicKey>,
    },
}

fn list<T: ToString>(names: &[T]) -> String {
    names.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Trust {
    /// Conditions: one of these digests, unless there are none, and the signature of one of these
    /// keys, unless there are none.
    pub fn new(digests: Vec<Digest>, keys: Vec<PublicKey>) -> Self {
        Trust { digests, keys }
    }

    /// Checks a component from `origin`, with what stands in the file of its signature. Answers which
    /// trusted key signed it; none where no signature is asked for.
    ///
    /// # Errors
    /// [`Distrust`] says what it lacks.
    pub fn verify(
        &self,
        origin: &str,
        component: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<&PublicKey>, Distrust> {
        let origin = || origin.to_owned();
        let found = Digest::of(component);
        if !self.digests.is_empty() && !self.digests.contains(&found) {
            let allowed = self.digests.clone();
            return Err(Distrust::OtherDigest { origin: origin(), found, allowed });
        }
        if self.keys.is_empty() {
            return Ok(None);
        }
        let Some(signature) = signature else {
            return Err(Distrust::Unsigned { origin: origin() });
        };
        let Some(signature) = read_signature(signature) else {
            return Err(Distrust::MalformedSignature { origin: origin() });
        };
        match self.keys.iter().find(|key| key.verifies(component, &signature)) {
            Some(key) => Ok(Some(key)),
            None => {
                Err(Distrust::WrongSignature { origin: origin(), found, keys: self.keys.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::SecretKey;

    const COMPONENT: &[u8] = b"component";

    fn verified<'a>(
        trust: &'a Trust,
        signature: Option<&str>,
    ) -> Result<Option<&'a PublicKey>, Distrust> {
        trust.verify("a.wasm", COMPONENT, signature.map(str::as_bytes))
    }

    fn key() -> SecretKey {
        SecretKey::generate().unwrap()
    }

    #[test]
    fn without_conditions_anything_may_run() {
        assert_eq!(verified(&Trust::default(), None), Ok(None));
        assert_eq!(verified(&Trust::default(), Some("rubbish")), Ok(None));
    }

    #[test]
    fn a_pinned_digest_keeps_all_others_out() {
        let pinned = Trust::new(vec![Digest::of(b"another"), Digest::of(COMPONENT)], vec![]);
        assert_eq!(verified(&pinned, None), Ok(None));
        let other = Trust::new(vec![Digest::of(b"another")], vec![]);
        let error = verified(&other, None).unwrap_err().to_string();
        assert!(error.contains(&Digest::of(b"another").to_string()), "{error}");
        assert!(error.contains(&Digest::of(COMPONENT).to_string()), "{error}");
    }

    #[test]
    fn with_keys_only_what_one_of_them_signed_may_run() {
        let (ann, bob, eve) = (key(), key(), key());
        let trust = Trust::new(vec![], vec![ann.public(), bob.public()]);
        let signed = bob.sign(COMPONENT);
        assert_eq!(verified(&trust, Some(&signed)), Ok(Some(&bob.public())));

        let refused = |signature: Option<&str>| verified(&trust, signature).unwrap_err();
        assert!(matches!(refused(None), Distrust::Unsigned { .. }));
        for malformed in ["", "rubbish", &signed[..80]] {
            let error = refused(Some(malformed));
            assert!(matches!(error, Distrust::MalformedSignature { .. }), "{error}");
        }
        for wrong in [eve.sign(COMPONENT), bob.sign(b"something else")] {
            assert!(matches!(refused(Some(&wrong)), Distrust::WrongSignature { .. }));
        }
    }

    #[test]
    fn a_signature_does_not_stand_in_for_the_digest() {
        let ann = key();
        let trust = Trust::new(vec![Digest::of(b"another")], vec![ann.public()]);
        let refused = verified(&trust, Some(&ann.sign(COMPONENT))).unwrap_err();
        assert!(matches!(refused, Distrust::OtherDigest { .. }), "{refused}");
    }
}
