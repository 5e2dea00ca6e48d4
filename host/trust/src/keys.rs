//! The keys plugins are signed with, in files.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand::TryRngCore as _;

use crate::Digest;
use crate::pem::{PUBLIC, SECRET};

/// A key that cannot be used, or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{path} is not the key that is wanted: {reason}. Make a pair with `dynamo-host plugin keygen` \
         or `openssl genpkey -algorithm ed25519`"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others may read a secret key.
    #[error(
        "others than you may read the secret key {path}: `chmod 600 {path}`, or make a new one"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written; an existing one is never overwritten.
    #[error("cannot write the key {path}: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gives no randomness.
    #[error("the system has no randomness for a key: {0}")]
    NoRandomness(String),
}

/// A key whose signatures can be checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// All keys in the PEM file `path`, of which there is at least one.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`], or [`KeyError::Malformed`] if anything in it is not a public key of
    /// ed25519.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, KeyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
        let malformed = |reason| KeyError::Malformed { path: path.to_owned(), reason };
        let keys: Vec<_> = PUBLIC
            .blocks(&text)
            .into_iter()
            .map(|block| PublicKey::from_pem(block).map_err(malformed))
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(malformed("it is empty".to_owned()));
        }
        Ok(keys)
    }

    fn from_pem(text: &str) -> Result<Self, String> {
        let key =
            VerifyingKey::from_bytes(&PUBLIC.read(text)?).map_err(|error| error.to_string())?;
        // Anybody can make signatures that such a key verifies.
        if key.is_weak() {
            return Err("the key is weak".to_owned());
        }
        Ok(PublicKey(key))
    }

    /// Whether `signature` is this key's, over `bytes`.
    pub(crate) fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(bytes, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    /// Enough of its digest to tell it from others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{:.16}", Digest::of(self.0.as_bytes()).hex())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that signs.
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public()).finish()
    }
}

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        rand::rngs::OsRng
            .try_fill_bytes(&mut seed)
            .map_err(|error| KeyError::NoRandomness(error.to_string()))?;
        Ok(SecretKey(SigningKey::from_bytes(&seed)))
    }

    /// The key in the PEM file `path`, which only its owner may read.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`], [`KeyError::Exposed`], [`KeyError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned() });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        let seed = SECRET
            .read(&text)
            .map_err(|reason| KeyError::Malformed { path: path.to_owned(), reason })?;
        Ok(SecretKey(SigningKey::from_bytes(&seed)))
    }

    /// Writes the secret key to `secret`, readable by its owner only, and the public one to `public`.
    ///
    /// # Errors
    /// [`KeyError::Unwritable`], also if there is such a file: a key that is lost is lost.
    pub fn write(&self, secret: &Path, public: &Path) -> Result<(), KeyError> {
        create(secret, 0o600, &SECRET.write(self.0.as_bytes()))?;
        create(public, 0o644, &PUBLIC.write(self.0.verifying_key().as_bytes()))
    }

    /// The key that verifies.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature over `bytes`, as it stands in a file.
    pub fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.0.sign(bytes).to_bytes()) + "\n"
    }
}

fn create(path: &Path, mode: u32, text: &str) -> Result<(), KeyError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| KeyError::Unwritable { path: path.to_owned(), source })
}

/// The signature in a file: base64, or the 64 bytes as they are.
pub(crate) fn read_signature(file: &[u8]) -> Option<Signature> {
    let bytes = match file.len() {
        Signature::BYTE_SIZE => file.to_vec(),
        _ => {
            // `base64` of coreutils breaks lines.
            let text: Vec<u8> =
                file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(text).ok()?
        }
    };
    Signature::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // Made by `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`; the signature over
    // `plugin` by `openssl pkeyutl -sign -rawin | base64`.
    const OPENSSL_SECRET: &str = include_str!("../tests/data/openssl.key");
    const OPENSSL_PUBLIC: &str = include_str!("../tests/data/openssl.pub");
    const OPENSSL_SIGNATURE: &str = include_str!("../tests/data/openssl.sig");

    fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        create(&path, 0o600, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_pair_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
        let key = SecretKey::generate().unwrap();
        key.write(&secret, &public).unwrap();
        assert_eq!(SecretKey::read(&secret).unwrap().public(), key.public());
        assert_eq!(PublicKey::read_all(&public).unwrap(), [key.public()]);
        assert!(matches!(key.write(&secret, &public), Err(KeyError::Unwritable { .. })));
    }

    #[test]
    fn openssl_and_this_host_understand_each_other() {
        let (_folder, path) = written("key", OPENSSL_SECRET);
        let key = SecretKey::read(&path).unwrap();
        let (_folder, path) = written("pub", OPENSSL_PUBLIC);
        let [public] = &PublicKey::read_all(&path).unwrap()[..] else { unreachable!() };
        assert_eq!(&key.public(), public);
        assert_eq!(key.sign(b"plugin").trim(), OPENSSL_SIGNATURE.replace('\n', ""));
        let signature = read_signature(OPENSSL_SIGNATURE.as_bytes()).unwrap();
        assert!(public.verifies(b"plugin", &signature));
        assert!(!public.verifies(b"plugim", &signature));
    }

    #[test]
    fn a_file_may_hold_several_keys_and_nothing_else() {
        let second = PUBLIC.write(SecretKey::generate().unwrap().public().0.as_bytes());
        let (_folder, path) =
            written("pub", &format!("of Ann\n{OPENSSL_PUBLIC}of Bob\n{second}\n"));
        assert_eq!(PublicKey::read_all(&path).unwrap().len(), 2);
        for wrong in ["", "\n", "no key", OPENSSL_SECRET, &format!("{OPENSSL_PUBLIC}rubbish")] {
            let (_folder, path) = written("pub", wrong);
            let error = PublicKey::read_all(&path).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn a_secret_key_that_others_may_read_is_not_used() {
        let (_folder, path) = written("key", OPENSSL_SECRET);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SecretKey::read(&path), Err(KeyError::Exposed { .. })));
    }

    #[test]
    fn a_key_that_verifies_anything_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(
            PublicKey::from_pem(&PUBLIC.write(&identity)),
            Err("the key is weak".to_owned())
        );
    }
}
