//! The worker's place in discovery as a case scripts it: what a plugin asks for is an exchange like one
//! with the engine, with the method `HOST`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dynamo_host_plugin::{Failure, Kind, ServiceControl};
use serde_json::{Value, json};

use crate::script::Script;

/// The place behind the plugin's import. Clones are one place.
#[derive(Clone, Default)]
pub(crate) struct ScriptedService {
    current: Arc<Mutex<Current>>,
}

#[derive(Default)]
struct Current {
    script: Option<Script>,
    reasons: Vec<String>,
}

impl ScriptedService {
    /// Begins a case in which the worker is away for `reasons`.
    pub(crate) fn play(&self, script: &Script, reasons: &[String]) {
        *self.current() = Current { script: Some(script.clone()), reasons: reasons.to_vec() };
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was asked for, and gives the case's answer: 504 is a wait in vain, any other status
    /// that is not 2xx discovery that does not answer.
    async fn ask(&self, what: &str, body: Value) -> Result<(), Failure> {
        let script = self.current().script.clone();
        let script = script.ok_or_else(|| Failure::unavailable("there is no case"))?;
        let (status, answer) = script.ask_host(&format!("/service/{what}"), body).await?;
        let said = answer.as_str().map_or_else(|| answer.to_string(), String::from);
        match status {
            200..=299 => Ok(()),
            504 => Err(Failure::new(Kind::DeadlineExceeded, said)),
            _ => Err(Failure::unavailable(said)),
        }
    }
}

#[async_trait]
impl ServiceControl for ScriptedService {
    async fn leave(&self, reason: &str) -> Result<(), Failure> {
        self.ask("leave", json!({"reason": reason})).await?;
        let mut current = self.current();
        if !current.reasons.iter().any(|other| other == reason) {
            current.reasons.push(reason.to_owned());
        }
        Ok(())
    }

    async fn rejoin(&self, reason: &str) -> Result<(), Failure> {
        self.ask("rejoin", json!({"reason": reason})).await?;
        self.current().reasons.retain(|other| other != reason);
        Ok(())
    }

    fn reasons(&self) -> Vec<String> {
        self.current().reasons.clone()
    }

    async fn drain(&self, hand_over: bool) -> Result<(), Failure> {
        self.ask("drain", json!({"hand_over": hand_over})).await
    }
}
