//! The cases in `tests/cases/cli`: what comes of words, variables and files.
//!
//! The format is described in `tests/cases/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dynamo_host::cli::{Arguments, Environment, resolve};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    format: u32,
    name: String,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "notes")]
    _notes: Option<String>,
    #[serde(rename = "otherwise")]
    _otherwise: Option<String>,
    arguments: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    expect: Option<Expect>,
    error: Option<Error>,
}

/// Facts by their names; those that are not named are not looked at.
#[derive(Debug, Deserialize)]
struct Expect {
    /// Compared as they are: see `facts`.
    #[serde(flatten)]
    facts: Map<String, Value>,
    #[serde(default)]
    runtime: Map<String, Value>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    engine: Map<String, Value>,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Error {
    exit_code: u8,
    #[serde(default)]
    names: Vec<String>,
}

#[test]
fn every_case_comes_out_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/cli");
    let paths = cases_in(&folder);
    assert!(!paths.is_empty(), "no cases in {}", folder.display());
    let mut failures = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let case: Case = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} is no case: {error}", path.display()));
        let differences = run(&case);
        if !differences.is_empty() {
            failures.push(format!("{}\n  {}", case.name, differences.join("\n  ")));
        }
    }
    println!("{} passed, {} failed", paths.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn cases_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(cases_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Files of a case, under the names the case has for them.
struct Files {
    _folder: tempfile::TempDir,
    paths: BTreeMap<String, String>,
}

impl Files {
    fn of(case: &Case) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = BTreeMap::new();
        for (number, (name, text)) in case.files.iter().enumerate() {
            let path = folder.path().join(format!("{number}.yaml"));
            std::fs::write(&path, text).unwrap();
            paths.insert(name.clone(), path.display().to_string());
        }
        Files { _folder: folder, paths }
    }

    fn put_into(&self, text: &str) -> String {
        self.paths.iter().fold(text.to_owned(), |text, (name, path)| text.replace(name, path))
    }

    fn put_into_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.put_into(text)),
            Value::Array(values) => values.iter().map(|value| self.put_into_value(value)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), self.put_into_value(value)))
                .collect(),
            other => other.clone(),
        }
    }
}

/// What differs.
fn run(case: &Case) -> Vec<String> {
    assert_eq!(case.format, 1, "{}", case.name);
    let files = Files::of(case);
    let words = std::iter::once("dynamo-host".to_owned())
        .chain(case.arguments.iter().map(|word| files.put_into(word)));
    let environment: Environment = case
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), files.put_into(value)))
        .collect();
    match (resolve(words, &environment), &case.expect, &case.error) {
        (Ok(arguments), Some(expect), None) => compare(&arguments, expect, &files),
        (Err(error), None, Some(expected)) => {
            let message = error.to_string();
            let unnamed = expected.names.iter().filter(|name| !message.contains(*name));
            let mut differences: Vec<String> =
                unnamed.map(|name| format!("`{name}` is not in: {message}")).collect();
            if error.exit_code() != expected.exit_code {
                differences.push(format!("the exit code is {}", error.exit_code()));
            }
            differences
        }
        (Ok(arguments), ..) => vec![format!("no error: {}", Value::Object(facts(&arguments)))],
        (Err(error), ..) => vec![format!("error: {error}")],
    }
}

fn compare(arguments: &Arguments, expect: &Expect, files: &Files) -> Vec<String> {
    let mut differences = Vec::new();
    let mut same = |what: &str, found: Option<&Value>, expected: &Value| {
        let found = found.unwrap_or(&Value::Null);
        if found != expected {
            differences.push(format!("{what} is {found}, not {expected}"));
        }
    };
    let facts = facts(arguments);
    for (name, value) in &expect.facts {
        assert!(facts.contains_key(name), "no fact is called {name}");
        same(name, facts.get(name), &files.put_into_value(value));
    }
    let runtime = runtime(arguments);
    for (name, value) in &expect.runtime {
        same(name, runtime.get(name), value);
    }
    let settings = arguments.settings();
    for (name, value) in &expect.settings {
        same(name, settings.get(name), value);
    }
    for (flag, value) in &expect.engine {
        same(flag, read_by_engine(arguments, flag).as_ref(), &as_text(value));
    }
    if let Some(expected) = &expect.warnings {
        let found = &arguments.warnings;
        let all = found.len() == expected.len()
            && found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
        same("warnings", Some(&json!(if all { expected } else { found })), &json!(expected));
    }
    differences
}

fn facts(arguments: &Arguments) -> Map<String, Value> {
    let endpoint = arguments.endpoint.as_ref().map(|id| id.to_string().replace("dyn://", ""));
    let mode = read_by_engine(arguments, "disaggregation-mode");
    let facts = json!({
        "plugin": arguments.plugins[0],
        "endpoint": endpoint,
        "disaggregation_mode": mode.unwrap_or_else(|| json!("null")),
        "served_names": arguments.served_names,
        "custom_jinja_template": arguments.custom_jinja_template,
        "health_check": arguments.health_check,
        "needs_bootstrap_port": arguments.needs_bootstrap_port,
        "router_config": arguments.router_config,
        "engine_arguments": arguments.engine_arguments,
        "exports": arguments.exports.0,
    });
    facts.as_object().unwrap().clone()
}

fn runtime(arguments: &Arguments) -> Value {
    let runtime = &arguments.flags.runtime;
    json!({
        "discovery_backend": runtime.discovery_backend.to_string(),
        "request_plane": runtime.request_plane.to_string(),
        "response_plane": runtime.response_plane,
        "event_plane": runtime.event_plane.map(|plane| plane.to_string()),
    })
}

/// What SGLang reads of a flag: the last word on its command line, otherwise the file behind
/// `--config`; true for a switch.
fn read_by_engine(arguments: &Arguments, name: &str) -> Option<Value> {
    let words = &arguments.engine_arguments;
    let (mut value, mut config) = (None, None);
    for (at, word) in words.iter().enumerate() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        let next = words.get(at + 1).filter(|next| !next.starts_with("--"));
        match flag.split_once('=') {
            Some((of, text)) if of == name => value = Some(json!(text)),
            None if flag == name => value = Some(next.map_or(json!(true), |text| json!(text))),
            None if flag == "config" => config = next,
            _ => {}
        }
    }
    value.or_else(|| {
        let text = std::fs::read_to_string(config?).ok()?;
        let file: Map<String, Value> = serde_yaml::from_str(&text).ok()?;
        let found = file.iter().find(|(of, _)| of.replace('_', "-") == name);
        found.map(|(_, value)| as_text(value))
    })
}

fn as_text(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        other => other.clone(),
    }
}
