//! What a plugin says of itself.

use clap::Args;
use dynamo_host_check::words;
use dynamo_host_plugin::{
    Artifact, EngineReport, Grant, Grants, Interfaces, Isolation, Limits, Manifest, Plugin,
    Registration, Route, Runtime, Standing,
};
use serde_json::Value;

use super::{Failed, progress};
use crate::{loading, locate};

/// Prints what a plugin is, what it wants to import and how it would be registered.
///
/// Exits with 1 if this host would not load it, after what can be said without.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// A component file, or a name as for serving.
    plugin: String,

    /// Settings to configure it with, as a JSON object.
    #[arg(long, default_value = "{}")]
    settings: String,

    /// What its engine reports, as a JSON object: answers by path. Without, an engine that says
    /// nothing.
    #[arg(long, default_value = "{}", value_parser = answers)]
    engine: Answers,
}

#[derive(Clone, Debug)]
struct Answers(Vec<(String, Vec<u8>)>);

fn answers(text: &str) -> Result<Answers, serde_json::Error> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(text)?;
    Ok(Answers(
        object.into_iter().map(|(path, answer)| (path, answer.to_string().into_bytes())).collect(),
    ))
}

/// A plugin that is looked at runs one call at a time.
const INSTANCES: u32 = 4;

pub(super) fn run(arguments: &InspectArguments) -> Result<(), Failed> {
    let path = locate::plugin(&arguments.plugin)?;
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let artifact = tokio.block_on(Artifact::read(&path))?;
    line("file", path.display());
    line("digest", format_args!("sha256:{}", artifact.digest()));
    let runtime = Runtime::new(Limits { instances: INSTANCES, ..Limits::default() })?;
    // What is compiled to be looked at need not be compiled again to be run.
    let runtime = runtime.with_cache(loading::usual_cache());
    let interfaces = progress::while_doing(format!("compiling {}", path.display()), || {
        Interfaces::of(&runtime, &artifact)
    })?;
    // Up to here no code of the plugin's has run.
    show_interfaces(&interfaces);
    tokio.block_on(show_plugin(arguments, &runtime, &artifact))
}

async fn show_plugin(
    arguments: &InspectArguments,
    runtime: &Runtime,
    artifact: &Artifact,
) -> Result<(), Failed> {
    let plugin = Plugin::load(runtime, artifact, &Grants::only(Grant::ALL))
        .await
        .map_err(|error| format!("this host does not load it: {error}"))?;
    show_manifest(plugin.manifest());
    let report = EngineReport {
        model_path: "MODEL".into(),
        served_name: "MODEL".into(),
        address: "127.0.0.1".into(),
        answers: arguments.engine.0.clone(),
        files: Vec::new(),
    };
    let settings = arguments.settings.clone().into_bytes();
    match plugin.configure(&settings, report).await {
        Ok(configured) => {
            show_registration(&configured.registration);
            line("health check", String::from_utf8_lossy(&configured.health_check));
            let routes =
                plugin.routes(&configured.state).await.map_err(|failure| failure.message)?;
            for route in routes {
                let Route { path, surface, summary } = route;
                line("route", format_args!("{path} ({surface:?}): {summary}"));
            }
        }
        Err(failure) => line(
            "registration",
            format_args!("needs more (--settings, --engine): {}", failure.message),
        ),
    }
    Ok(())
}

fn show_interfaces(interfaces: &Interfaces) {
    let world = match (&interfaces.contract, interfaces.routes) {
        (Some(version), true) => format!("dynamo:worker/worker-plugin-with-routes@{version}"),
        (Some(version), false) => format!("dynamo:worker/worker-plugin@{version}"),
        (None, _) => "none of dynamo:worker".to_owned(),
    };
    line("world", world);
    for import in &interfaces.imports {
        let standing = match import.standing {
            Standing::Always => "always there".to_owned(),
            Standing::Needs(grant) => format!("needs the grant {grant}"),
            Standing::NotOffered => "not offered to any plugin".to_owned(),
        };
        line("import", format_args!("{} ({standing})", import.name));
    }
}

fn show_manifest(manifest: &Manifest) {
    line("name", &manifest.name);
    line("version", &manifest.version);
    line("worker type", &manifest.worker_type);
    line("summary", &manifest.summary);
    line(
        "isolation",
        match manifest.isolation {
            Isolation::Fresh => "fresh: an instance for each request",
            Isolation::Warm => "warm: instances are used again",
        },
    );
    for metric in &manifest.metrics {
        line("metric", dynamo_host_plugin::family_name(metric));
    }
    match &manifest.settings_schema {
        Some(schema) => line("settings", String::from_utf8_lossy(schema)),
        None => line("settings", "no schema"),
    }
}

fn show_registration(registration: &Registration) {
    let runtime_config = serde_json::from_slice(&registration.runtime_config)
        .unwrap_or_else(|_| Value::String("malformed".into()));
    line("registration", words::registration(registration, Some(runtime_config)));
}

fn line(name: &str, value: impl std::fmt::Display) {
    println!("{:14}{value}", format!("{name}:"));
}
