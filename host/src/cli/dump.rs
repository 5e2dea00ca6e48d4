//! `--dump-config-to`: the configuration as JSON, with where each flag is from.

use clap::{ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::error::UsageError;
use super::words::Given;

/// All flags by their ids: `{"value": ..., "from": ...}`. Values are as they are written on the
/// command line; `from` is a flag, a variable, or `default`.
pub(super) fn flags(command: &Command, matches: &ArgMatches, given: &Given) -> Value {
    let flags = command.get_arguments().map(|flag| {
        let id = flag.get_id().as_str();
        let values: Vec<String> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let value = match values.as_slice() {
            [] => Value::Null,
            [one] => Value::from(one.as_str()),
            many => Value::from(many),
        };
        let from = given.origin(id).map_or("default".to_owned(), ToString::to_string);
        (id.to_owned(), json!({"value": value, "from": from}))
    });
    Value::Object(flags.collect::<Map<_, _>>())
}

/// The whole configuration.
pub(super) fn configuration(arguments: &Arguments) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "worker_type": arguments.worker_type.map(|worker_type| worker_type.to_string()),
        "plugin": arguments.plugins.first(),
        "plugins": arguments.plugins,
        "model_path": arguments.model_path,
        "served_model_name": arguments.served_names.first(),
        "served_model_aliases": arguments.served_names.get(1..).unwrap_or_default(),
        "namespace": arguments.namespace,
        "endpoint": arguments.endpoint.as_ref().map(ToString::to_string),
        "custom_jinja_template": arguments.custom_jinja_template,
        "health_check": arguments.health_check,
        "router_config": arguments.router_config,
        "settings": arguments.settings(),
        "engine_arguments": arguments.engine_arguments,
        "flags": arguments.flag_values,
    })
}

/// Writes it where the operator wants it, if anywhere.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(arguments: &Arguments) -> Result<(), UsageError> {
    let Some(path) = &arguments.flags.runtime.dump_config_to else { return Ok(()) };
    let text = format!("{:#}\n", configuration(arguments));
    std::fs::write(path, text).map_err(|error| UsageError::Dump { path: path.clone(), error })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::resolve;

    #[test]
    fn the_dump_says_what_came_of_the_flags_and_where_they_are_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let line = format!("host --model m --tp 2 --dump-config-to {}", path.display());
        let environment = [("DYN_NAMESPACE".to_owned(), "prod".to_owned())];
        let words = line.split(' ').map(String::from);
        write(&resolve(words, &environment.into_iter().collect()).unwrap()).unwrap();

        let dump: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(dump["plugin"], "decode");
        assert_eq!(dump["endpoint"], "dyn://prod.backend.generate");
        assert_eq!(dump["engine_arguments"], json!(["--tp", "2"]));
        assert_eq!(dump["settings"]["endpoint_types"], "chat,completions");
        let flags = &dump["flags"];
        assert_eq!(flags["model_path"], json!({"value": "m", "from": "--model"}));
        assert_eq!(flags["namespace"], json!({"value": "prod", "from": "DYN_NAMESPACE"}));
        assert_eq!(flags["request_plane"], json!({"value": "tcp", "from": "default"}));
        assert_eq!(flags["embedding_worker"], json!({"value": "false", "from": "default"}));
    }

    #[test]
    fn a_dump_that_cannot_be_written_is_an_error() {
        let words = ["host", "--dump-config-to", "/no/such/folder/x"].map(String::from);
        let error = write(&resolve(words, &Default::default()).unwrap()).unwrap_err();
        assert!(error.to_string().contains("/no/such/folder/x"), "{error}");
    }
}
