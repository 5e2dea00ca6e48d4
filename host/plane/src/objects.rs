//! Objects in a JetStream object store: what a fleet of hosts shares.
//!
//! The server is the one Dynamo itself would use (`NATS_SERVER`, `NATS_AUTH_*`, `NATS_TLS_*`).

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::object_store::{Config, ObjectMetadata, ObjectStore, Watch};
use dynamo_runtime::transports::nats;
use futures::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::error::words;

/// What begins the address of an object.
const SCHEME: &str = "nats://";

/// Where an object is: `nats://BUCKET/NAME`. The server is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAddress {
    /// The store.
    pub bucket: String,
    /// The object in it.
    pub name: String,
}

/// A string that is no address of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' does not name an object: write nats://BUCKET/NAME, the bucket of letters, digits, '-' and \
     '_', the name of these and of '.', '/' and '='. The server is NATS_SERVER"
)]
pub struct InvalidAddress(String);

impl ObjectAddress {
    /// Whether `text` means an object, well written or not.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for ObjectAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let of = |part: &str, more: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        text.strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once('/'))
            .filter(|(bucket, name)| of(bucket, "-_") && of(name, "-_./="))
            .filter(|(_, name)| !name.starts_with('.') && !name.ends_with('.'))
            .map(|(bucket, name)| ObjectAddress { bucket: bucket.into(), name: name.into() })
            .ok_or_else(|| InvalidAddress(text.to_owned()))
    }
}

impl fmt::Display for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.name)
    }
}

/// An object that cannot be had or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {address}: {reason}. {advice}")]
pub struct ObjectError {
    action: &'static str,
    address: ObjectAddress,
    reason: String,
    advice: &'static str,
}

/// How long an object may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest object that is read.
const MAX_BYTES: u64 = 256 << 20;

/// What to look at when the server does not do as it is asked.
const SERVER: &str = "Check NATS_SERVER and NATS_AUTH_*, and that the server runs with JetStream";

/// What to do about an object that is not there.
const ABSENT: &str = "`dynamo-host plugin push FILE` puts a plugin there";

/// One object, and the connection to its store.
#[derive(Clone)]
pub struct Object {
    address: ObjectAddress,
    client: nats::Client,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Object").field(&self.address).finish()
    }
}

impl Object {
    /// Connects to the server. Waits for it for `NATS_STARTUP_CONNECT_TIMEOUT_SECONDS` (120), as
    /// Dynamo does. A connection that is lost later comes back by itself.
    ///
    /// # Errors
    /// Settings that make no sense, or a server that cannot be reached.
    pub async fn connect(address: ObjectAddress) -> Result<Self, ObjectError> {
        let refused = |reason| ObjectError {
            action: "reach",
            address: address.clone(),
            reason,
            advice: SERVER,
        };
        let options =
            nats::Client::builder().build().map_err(|error| refused(error.to_string()))?;
        let client = options.connect().await.map_err(|error| refused(words(&error)))?;
        Ok(Object { address, client })
    }

    /// Where it is.
    pub fn address(&self) -> &ObjectAddress {
        &self.address
    }

    /// The object of this one's name and `suffix`, in the same store.
    pub fn beside(&self, suffix: &str) -> Self {
        let ObjectAddress { bucket, name } = &self.address;
        let address = ObjectAddress { bucket: bucket.clone(), name: format!("{name}{suffix}") };
        Object { address, client: self.client.clone() }
    }

    /// Its bytes, all of one version of it.
    ///
    /// # Errors
    /// There is no such bucket or object, it is longer than 256 MiB, or it does not come.
    pub async fn get(&self) -> Result<Vec<u8>, ObjectError> {
        // A task of its own: the client panics where the server refuses it a consumer, and waits for
        // ever for pieces of a version that is put over meanwhile.
        let object = self.clone();
        let reading = tokio::spawn(async move { timeout(PATIENCE, object.read()).await });
        match reading.await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(self.refused("read", "it does not come".into(), SERVER)),
            Err(error) => Err(self.refused("read", error.to_string(), SERVER)),
        }
    }

    async fn read(&self) -> Result<Vec<u8>, ObjectError> {
        let absent = |reason| self.refused("read", reason, ABSENT);
        let store = self.store().await.map_err(absent)?;
        let object = store.get(&self.address.name).await;
        let object = object.map_err(|error| absent(error.to_string()))?;
        let mut bytes = Vec::new();
        // The reader holds what comes against the digest the object was put with.
        let read = object.take(MAX_BYTES + 1).read_to_end(&mut bytes).await;
        read.map_err(|error| self.refused("read", error.to_string(), SERVER))?;
        if bytes.len() as u64 > MAX_BYTES {
            let longer = format!("it is longer than {} MiB", MAX_BYTES >> 20);
            return Err(self.refused("read", longer, "A plugin has some hundred KiB"));
        }
        Ok(bytes)
    }

    /// Puts `bytes` there, and makes the bucket if there is none.
    ///
    /// # Errors
    /// The server does not take them.
    pub async fn put(&self, mut bytes: &[u8]) -> Result<(), ObjectError> {
        let refused = |reason| self.refused("write", reason, SERVER);
        let store = match self.store().await {
            Ok(store) => store,
            Err(_) => {
                let bucket = self.address.bucket.clone();
                let made = self
                    .client
                    .jetstream()
                    .create_object_store(Config { bucket, ..Config::default() });
                made.await.map_err(|error| refused(error.to_string()))?
            }
        };
        let named = ObjectMetadata { name: self.address.name.clone(), ..Default::default() };
        let put = store.put(named, &mut bytes).await;
        put.map(drop).map_err(|error| refused(error.to_string()))
    }

    /// The news of it, from now on.
    ///
    /// # Errors
    /// The object cannot be watched.
    pub async fn changes(&self) -> Result<Changes, ObjectError> {
        let absent = |reason| self.refused("watch", reason, ABSENT);
        let store = self.store().await.map_err(absent)?;
        let watch = store.watch().await;
        let watch = watch.map_err(|error| self.refused("watch", error.to_string(), SERVER))?;
        Ok(Changes { name: self.address.name.clone(), watch: Mutex::new(watch) })
    }

    async fn store(&self) -> Result<ObjectStore, String> {
        let store = self.client.jetstream().get_object_store(&self.address.bucket).await;
        store.map_err(|error| error.to_string())
    }

    fn refused(&self, action: &'static str, reason: String, advice: &'static str) -> ObjectError {
        ObjectError { action, address: self.address.clone(), reason, advice }
    }
}

/// News of one object.
pub struct Changes {
    name: String,
    /// Never locked: it makes what the client does not let threads share something they can.
    watch: Mutex<Watch>,
}

impl Changes {
    /// Waits for the next version of the object. False once no more can be learned here.
    pub async fn next(&mut self) -> bool {
        let watch = self.watch.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(Ok(info)) = watch.next().await {
            if info.name == self.name && !info.deleted {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_name() {
        let address: ObjectAddress = "nats://plugins/decode/v1.wasm".parse().unwrap();
        assert_eq!((&*address.bucket, &*address.name), ("plugins", "decode/v1.wasm"));
        assert_eq!(address.to_string(), "nats://plugins/decode/v1.wasm");
        for text in ["nats://plugins", "nats:///x", "nats://a.b/c", "nats://a/", "/a/b"] {
            let error = text.parse::<ObjectAddress>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("NATS_SERVER"), "{error}");
        }
    }
}
