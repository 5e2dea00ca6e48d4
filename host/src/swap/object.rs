//! An object in a store, which says when it changes.

use std::time::Duration;

use dynamo_host_plane::{Changes, Object, ObjectError};
use tokio::time::sleep;

/// Between attempts to hear from the store again.
const RETRY: Duration = Duration::from_secs(5);

/// An object, and the news of it.
pub struct Followed {
    object: Object,
    /// None while the store cannot be heard.
    changes: Option<Changes>,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Followed").field(&self.object).finish()
    }
}

impl Followed {
    /// Hears of what changes from now on.
    ///
    /// # Errors
    /// The store has no such bucket.
    pub async fn new(object: Object) -> Result<Self, ObjectError> {
        let changes = Some(object.changes().await?);
        Ok(Followed { object, changes })
    }

    /// The object.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Waits until the object is put anew, or may have been while the store could not be heard.
    pub async fn changed(&mut self) {
        if let Some(changes) = &mut self.changes {
            if changes.next().await {
                return;
            }
            tracing::warn!("no more news of {}: asking again", self.object.address());
            self.changes = None;
        }
        loop {
            match self.object.changes().await {
                Ok(changes) => {
                    self.changes = Some(changes);
                    return;
                }
                Err(error) => tracing::warn!("{error}"),
            }
            sleep(RETRY).await;
        }
    }
}
