//! What can be said of a component without running any of its code.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::{Artifact, Grant, LoadError, Runtime, load, wasi};

/// The interfaces of a component.
#[derive(Clone, Debug)]
pub struct Interfaces {
    /// The version of `dynamo:worker` it exports a worker of; none if it is no plugin.
    pub contract: Option<String>,
    /// Whether it has routes of its own.
    pub routes: bool,
    /// What it wants.
    pub imports: Vec<Import>,
}

/// An interface a component imports.
#[derive(Clone, Debug)]
pub struct Import {
    /// With its version.
    pub name: String,
    /// How this host stands to it.
    pub standing: Standing,
}

/// Whether a plugin may have an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It reaches nothing beyond the request at hand.
    Always,
    /// If the operator grants it.
    Needs(Grant),
    /// Never.
    NotOffered,
}

impl Interfaces {
    /// The interfaces of `artifact`.
    ///
    /// # Errors
    /// [`LoadError`] if it is no component.
    pub fn of(runtime: &Runtime, artifact: &Artifact) -> Result<Self, LoadError> {
        let component = load::compile(runtime, artifact)?;
        let exports = exports(&component);
        let contract = exports.iter().find_map(|name| name.strip_prefix("dynamo:worker/worker@"));
        Ok(Interfaces {
            contract: contract.map(str::to_owned),
            routes: exports.iter().any(|name| name.starts_with("dynamo:worker/routes@")),
            imports: imports(&component),
        })
    }
}

/// The names a component exports.
pub(crate) fn exports(component: &Component) -> Vec<String> {
    let kind = component.component_type();
    kind.exports(component.engine()).map(|(name, _)| name.to_owned()).collect()
}

/// What a component imports.
pub(crate) fn imports(component: &Component) -> Vec<Import> {
    let kind = component.component_type();
    kind.imports(component.engine())
        .map(|(name, item)| {
            let is_interface = matches!(item.ty, ComponentItem::ComponentInstance(_));
            let standing = if is_interface { standing(name) } else { Standing::NotOffered };
            Import { name: name.to_owned(), standing }
        })
        .collect()
}

fn standing(name: &str) -> Standing {
    let interface = name.split('@').next().unwrap_or(name);
    match interface.strip_prefix("dynamo:worker/") {
        Some("types" | "prompt" | "handles" | "calls") => Standing::Always,
        Some(ours) => ours.parse().map_or(Standing::NotOffered, Standing::Needs),
        None if wasi::LINKED.contains(&interface) || interface == wasi::FIXED_SEED => {
            Standing::Always
        }
        None => Standing::NotOffered,
    }
}
