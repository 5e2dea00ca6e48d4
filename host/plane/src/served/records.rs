//! What of an endpoint is in discovery, and how it comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use dynamo_runtime::discovery::{DiscoveryInstance, DiscoverySpec};
use dynamo_runtime::slug::Slug;
use dynamo_runtime::traits::DistributedRuntimeProvider;
use serde_json::Value;

use super::Served;
use crate::PlaneError;
use crate::error::words;

/// What of us is in discovery.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) endpoint: bool,
    /// The card as registered, while it is.
    pub(super) listed: Option<DiscoveryInstance>,
    /// The card to publish on a return.
    pub(super) card: Option<Value>,
    /// Cards of LoRA adapters beside it, by name.
    pub(super) adapters: BTreeMap<String, AdapterRecord>,
    /// We do not want to be there.
    pub(super) left: bool,
    pub(super) closed: bool,
}

/// An adapter's card.
#[derive(Debug)]
pub(super) struct AdapterRecord {
    pub(super) card: Value,
    /// As registered, while it is.
    pub(super) listed: Option<DiscoveryInstance>,
}

impl Served {
    /// The endpoint first, the card last: a card without an endpoint is a model that answers 503.
    pub(super) async fn enter(&self, records: &mut Records) -> Result<(), PlaneError> {
        if records.closed {
            return Ok(());
        }
        records.left = false;
        if !records.endpoint {
            self.endpoint()
                .register_endpoint_instance()
                .await
                .map_err(|error| self.refused("register the instance", &error))?;
            records.endpoint = true;
        }
        if let (None, Some(card)) = (&records.listed, &records.card) {
            records.listed = Some(self.register_card(card.clone(), None).await?);
        }
        for (name, record) in &mut records.adapters {
            if record.listed.is_none() {
                record.listed = Some(self.register_card(record.card.clone(), Some(name)).await?);
            }
        }
        Ok(())
    }

    /// Registers a card; `adapter` is whose it is, if not the model's.
    pub(super) async fn register_card(
        &self,
        card: Value,
        adapter: Option<&str>,
    ) -> Result<DiscoveryInstance, PlaneError> {
        let spec = DiscoverySpec::Model {
            namespace: self.id.namespace.clone(),
            component: self.id.component.clone(),
            endpoint: self.id.endpoint.clone(),
            card_json: card,
            model_suffix: adapter.map(|name| Slug::slugify(name).to_string()),
        };
        let registered = self.endpoint().drt().discovery().register(spec).await;
        registered.map_err(|error| self.refused("publish the model card", &error))
    }

    pub(super) async fn unregister_card(
        &self,
        listed: DiscoveryInstance,
    ) -> Result<(), PlaneError> {
        let unregistered = self.endpoint().drt().discovery().unregister(listed).await;
        unregistered.map_err(|error| self.refused("withdraw the model card", &error))
    }

    pub(super) async fn leave(
        &self,
        records: &mut Records,
        notice: Duration,
    ) -> Result<(), PlaneError> {
        records.left = true;
        let was_listed = records.listed.is_some();
        for record in records.adapters.values_mut() {
            if let Some(listed) = &record.listed {
                self.unregister_card(listed.clone()).await?;
                record.listed = None;
            }
        }
        if let Some(listed) = &records.listed {
            self.unregister_card(listed.clone()).await?;
            records.listed = None;
        }
        if records.endpoint {
            if was_listed {
                tokio::time::sleep(notice).await;
            }
            self.endpoint()
                .unregister_endpoint_instance()
                .await
                .map_err(|error| self.refused("remove the instance", &error))?;
            records.endpoint = false;
        }
        Ok(())
    }

    pub(super) fn refused(&self, action: &'static str, error: &anyhow::Error) -> PlaneError {
        PlaneError::Record { action, endpoint: self.id.clone(), reason: words(error) }
    }
}
