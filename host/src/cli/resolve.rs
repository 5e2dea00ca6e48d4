//! From words and variables to a configuration.
//!
//! Mirrors `parse_args` of `dynamo.sglang` 1.6.1, which also loads models and ports; here nothing is
//! read but the files that flags name, and nothing is started.

use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use serde_yaml::Mapping;
use tempfile::TempPath;

use super::arguments::{self, Arguments};
use super::choice::{Mode, WorkerType, choose};
use super::engine_words::EngineWords;
use super::environment::{Environment, expand, is_bool};
use super::error::UsageError;
use super::export::Exports;
use super::flags::{Flags, NAMESPACE};
use super::rules::{self, Configuration};
use super::words::{Given, Origin, Words, sort};
use super::{disagg_config, dump, health_check, router, structural_tag};

/// The configuration that `words`, the first of which is the program's name, and `environment` give.
///
/// # Errors
/// Bad usage, or that help is asked for.
pub fn resolve(
    words: impl IntoIterator<Item = String>,
    environment: &Environment,
) -> Result<Arguments, UsageError> {
    let command = Flags::command().mut_args(|flag| flag.hide_env_values(true));
    let mut warnings = Vec::new();
    let environment = &without_bad_grace(environment, &mut warnings);
    let Words { host, engine, given } = sort(&command, words, environment);
    let (mut flags, matches) = parse(&command, host, &given)?;
    let (mut engine, config_file) = engine_words(engine, &flags, &given, &command)?;

    let asked_for = choose(&flags, &given, &engine)?;
    let chosen = asked_for.unwrap_or(WorkerType::Decode);
    rules::check(&Configuration {
        flags: &flags,
        given: &given,
        engine: &engine,
        environment,
        worker_type: chosen,
    })?;
    let needs_bootstrap_port =
        chosen.is_prefill() && engine.first_with("disaggregation-bootstrap-port").is_none();
    let in_file = || engine.value("model-path").or_else(|| engine.value("model"));
    let model_path = flags.worker.model_path.clone().or_else(in_file);
    let served_names = served_names(&flags, &engine, model_path.as_deref())?;
    rewrite(&mut engine, &mut flags, chosen, &mut warnings);
    warn(&flags, &given, environment, &mut warnings);

    let namespace = namespace(&flags, environment);
    let named = flags.plugin.plugin.clone();
    let by_type = || named.is_empty().then(|| arguments::endpoint(&namespace, chosen.component()));
    let endpoint = flags.runtime.endpoint.clone().or_else(by_type);
    let health_check = match &flags.runtime.health_check_payload {
        Some(text) => health_check::read(text, &given.name("health_check_payload"))?,
        None => None,
    };
    let structural_tag = structural_tag::resolve(&flags.frontend, &mut warnings)?;
    let router_config = router::resolve(&flags.router, &given, &mut warnings)?;
    let custom_jinja_template = template(&flags, &given, environment)?;
    let engine_traces = engine.has("enable-trace");
    let exports = Exports::of(&command, &matches, &given, environment, engine_traces);
    Ok(Arguments {
        worker_type: if named.is_empty() { Some(chosen) } else { asked_for },
        plugins: if named.is_empty() { vec![chosen.plugin().to_owned()] } else { named },
        model_path,
        served_names,
        namespace,
        endpoint,
        custom_jinja_template,
        health_check,
        structural_tag,
        router_config,
        engine_arguments: engine.into_words(),
        needs_bootstrap_port,
        exports,
        warnings,
        config_file,
        flag_values: dump::flags(&command, &matches, &given),
        flags,
    })
}

/// Lets clap read our words, whose variables are among them already.
fn parse(
    command: &Command,
    words: Vec<String>,
    given: &Given,
) -> Result<(Flags, ArgMatches), UsageError> {
    let refused = |error| UsageError::Flag { variable: variable_of(command, given, &error), error };
    let without_variables = command.clone().mut_args(|flag| flag.env(Resettable::Reset));
    let matches = without_variables.try_get_matches_from(words).or_else(|error| {
        match error.kind() {
            // Help names the variables.
            ErrorKind::DisplayHelp => command.clone().try_get_matches_from(["", "--help"]),
            _ => Err(error),
        }
    });
    let matches = matches.map_err(refused)?;
    Ok((Flags::from_arg_matches(&matches).map_err(refused)?, matches))
}

/// The variable that has the value clap refuses, if it is from one.
fn variable_of(command: &Command, given: &Given, error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = flag.split([' ', '=', '[']).next()?.strip_prefix("--")?;
    let flag = command.get_arguments().find(|flag| flag.get_long() == Some(name))?;
    match given.origin(flag.get_id().as_str())? {
        Origin::Variable(name) => Some(name.clone()),
        Origin::CommandLine(_) => None,
    }
}

/// The engine's words, with the flags in its `--config`, which is a file of ours if there is a section
/// to take them from.
fn engine_words(
    words: Vec<String>,
    flags: &Flags,
    given: &Given,
    command: &Command,
) -> Result<(EngineWords, Option<Arc<TempPath>>), UsageError> {
    let mut engine = EngineWords::new(words);
    match disagg_section(flags, given, command)? {
        Some((section, path)) => {
            engine.set_config(path.display().to_string(), section);
            Ok((engine, Some(Arc::new(path))))
        }
        None => {
            engine.read_config();
            Ok((engine, None))
        }
    }
}

/// The section of `--disagg-config`, and a file with it for the engine.
fn disagg_section(
    flags: &Flags,
    given: &Given,
    command: &Command,
) -> Result<Option<(Mapping, TempPath)>, UsageError> {
    let needs = |flag, missing| Err(UsageError::Needs { flag: given.name(flag), missing });
    let (path, key) = match (&flags.engine.disagg_config, &flags.engine.disagg_config_key) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return needs(
                "disagg_config",
                "--disagg-config-key: which section of the file to take",
            );
        }
        (None, Some(_)) => {
            return needs("disagg_config_key", "--disagg-config: the file with that section");
        }
        (Some(path), Some(key)) => (path, key),
    };
    // These are the engine's as well.
    let shared = ["model-path", "model", "served-model-name", "enable-multimodal"];
    let is_ours = |name: &str| {
        !shared.contains(&name) && command.get_arguments().any(|flag| flag.get_long() == Some(name))
    };
    let section = disagg_config::section(path, key, is_ours)?;
    let file = disagg_config::write(&section)?;
    Ok(Some((section, file)))
}

/// The model's name and its aliases, as Dynamo takes them apart; without any, its path.
fn served_names(
    flags: &Flags,
    engine: &EngineWords,
    model_path: Option<&str>,
) -> Result<Vec<String>, UsageError> {
    let given = match &flags.worker.served_model_name {
        Some(names) => vec![names.clone()],
        None => engine.values_in_file("served-model-name"),
    };
    let names: Vec<String> = given
        .iter()
        .flat_map(|names| names.split(|c: char| c == ',' || c.is_whitespace()))
        .filter(|name| !name.is_empty())
        .map(String::from)
        .collect();
    if let Some(model_path) = model_path.filter(|path| path.starts_with("ngc://"))
        && names.first().is_none_or(|name| name.contains(':'))
    {
        return Err(UsageError::Needs {
            flag: format!("--model-path {model_path}"),
            missing: "--served-model-name with a name without `:`",
        });
    }
    Ok(if names.is_empty() { model_path.map(String::from).into_iter().collect() } else { names })
}

/// The namespace, which a deployment of several kinds of workers for one model gives a suffix.
fn namespace(flags: &Flags, environment: &Environment) -> String {
    let namespace = match flags.runtime.namespace.as_str() {
        // Deployments write `--namespace "$NAMESPACE"`; an empty variable is none, too.
        "" => NAMESPACE,
        namespace => namespace,
    };
    match environment.get("DYN_NAMESPACE_WORKER_SUFFIX") {
        Some(suffix) => format!("{namespace}-{suffix}"),
        None => namespace.to_owned(),
    }
}

/// A grace period that is no number is Dynamo's default, with a warning
/// (`get_grace_period_seconds`). That is so for the variable only: the flag is ours.
fn without_bad_grace(environment: &Environment, warnings: &mut Vec<String>) -> Environment {
    const NAME: &str = "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS";
    match environment.get(NAME) {
        Some(text) if text.trim().parse::<f64>().is_err() => {
            warnings.push(format!("{NAME}={text} is not a number of seconds: it is 5"));
            environment.without(NAME)
        }
        _ => environment.clone(),
    }
}

/// Says what works, but not as the operator may think, or not for long.
fn warn(flags: &Flags, given: &Given, environment: &Environment, warnings: &mut Vec<String>) {
    if flags.frontend.use_sglang_tokenizer {
        warnings.push(format!(
            "{} is deprecated: give the frontend --dyn-chat-processor sglang instead",
            given.name("use_sglang_tokenizer")
        ));
    }
    if let Some(value) = environment.get("DYN_FPM_TRACE").filter(|value| !is_bool(value)) {
        warnings.push(format!("DYN_FPM_TRACE={value} means no: use 1 or 0"));
    }
}

/// Gives the engine what Dynamo gives it for flags it does not have.
fn rewrite(
    engine: &mut EngineWords,
    flags: &mut Flags,
    chosen: WorkerType,
    warnings: &mut Vec<String>,
) {
    let encodes = chosen == WorkerType::MultimodalEncode;
    if encodes && !flags.media.enable_multimodal && !flags.worker.multimodal_encode_worker {
        warnings.push(format!("--{} encode is taken as --enable-multimodal, too", Mode::FLAG));
    }
    if matches!(engine.value(Mode::FLAG).as_deref(), Some("agg" | "pd" | "encode")) {
        engine.set(Mode::FLAG, Some("null".into()));
    }
    flags.media.enable_multimodal |= encodes || flags.worker.multimodal_worker;
    if flags.media.enable_multimodal {
        engine.switch_on("enable-multimodal");
    }
    if let Some(gateways) = flags.engine.gateway_workers.filter(|gateways| *gateways > 1) {
        let number = engine.value("tokenizer-worker-num");
        if number != Some(gateways.to_string()) {
            engine.set("tokenizer-worker-num", Some(gateways.to_string()));
        }
    }
    if flags.runtime.fpm_trace {
        engine.switch_on("enable-forward-pass-metrics");
    }
}

/// Where the chat template is.
fn template(
    flags: &Flags,
    given: &Given,
    environment: &Environment,
) -> Result<Option<PathBuf>, UsageError> {
    let Some(path) = &flags.frontend.custom_jinja_template else { return Ok(None) };
    let path = PathBuf::from(expand(path, environment));
    if path.is_file() {
        return Ok(Some(path));
    }
    Err(UsageError::NoTemplate { flag: given.name("custom_jinja_template"), path })
}
