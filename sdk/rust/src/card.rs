//! A worker's place in Dynamo.

use serde_json::Value;

use crate::{Error, Registration, Result};

/// What a worker finds out about its place in Dynamo when it is configured. Requests do not need it,
/// so it is no part of the worker's state: `#[serde(skip)]` it, and hand it out by
/// [`Worker::card`](crate::Worker::card).
#[derive(Debug, Default)]
pub struct Card(Option<(Registration, Value)>);

impl Card {
    /// The registration and the health check of a worker.
    pub fn new(registration: Registration, health_check: Value) -> Self {
        Card(Some((registration, health_check)))
    }

    /// The registration.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::Kind) if the worker was read back from its state.
    pub fn registration(&self) -> Result<Registration> {
        self.known().map(|(registration, _)| registration.clone())
    }

    /// The health check.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::Kind) if the worker was read back from its state.
    pub fn health_check(&self) -> Result<Value> {
        self.known().map(|(_, health_check)| health_check.clone())
    }

    fn known(&self) -> Result<&(Registration, Value)> {
        self.0.as_ref().ok_or_else(|| Error::internal("the worker was not configured here"))
    }
}
