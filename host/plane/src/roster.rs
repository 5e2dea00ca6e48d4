//! Which workers are registered at an endpoint.

use dynamo_runtime::discovery::{DiscoveryInstance, DiscoveryQuery};
use serde_json::Value;

use crate::error::words;
use crate::{EndpointId, Plane, PlaneError};

impl Plane {
    /// The workers at `endpoint` that have a model card: their ids and their cards.
    ///
    /// # Errors
    ///
    /// Discovery does not answer.
    pub async fn workers(&self, endpoint: &EndpointId) -> Result<Vec<(u64, Value)>, PlaneError> {
        let query = DiscoveryQuery::EndpointModels {
            namespace: endpoint.namespace.clone(),
            component: endpoint.component.clone(),
            endpoint: endpoint.endpoint.clone(),
        };
        let listed = self.link.runtime().discovery().list(query).await;
        let listed = listed.map_err(|error| PlaneError::Record {
            action: "read the cards",
            endpoint: endpoint.clone(),
            reason: words(&error),
        })?;
        let workers = listed.into_iter().filter_map(|record| match record {
            // The cards of adapters have a suffix.
            DiscoveryInstance::Model { instance_id, card_json, model_suffix: None, .. } => {
                Some((instance_id, card_json))
            }
            _ => None,
        });
        Ok(workers.collect())
    }
}
