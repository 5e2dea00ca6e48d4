//! Which plugins may run: what is checked of a component before any of it is looked at.
//!
//! [`Trust`] is what the operator asks of a component: digests, the keys of those whose signature
//! counts, both or nothing. It is part of the plugin runtime, so that a file, an object of a store and a
//! new version of a running plugin pass the same check, over the very bytes that are compiled.
//!
//! Keys and signatures are those of ordinary tools: ed25519 (RFC 8032) over the whole file, keys as
//! PEM (PKCS#8, RFC 8410), the signature in base64 beside the plugin. `openssl pkeyutl -sign -rawin`
//! makes the same.

mod digest;
mod keys;
mod pem;
mod trust;

pub use digest::{Digest, MalformedDigest};
pub use keys::{KeyError, PublicKey, SecretKey};
pub use trust::{Distrust, Trust};
