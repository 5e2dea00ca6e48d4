//! Telling the host's own words on the command line from the engine's, and adding what variables
//! say.
//!
//! The engine's flags are not ours to know: whatever is not one of ours goes to it verbatim and in
//! order. Clap cannot do that among its own flags, so the words are sorted before it sees them.
//! Switches are settled here, too, for each has a form with `--no-` and the last one counts, as with
//! the `argparse.BooleanOptionalAction` of Dynamo's; and so are variables, which clap would read from
//! the process and nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use clap::{Arg, ArgAction, Command};

use super::environment::{Environment, is_truthy};

/// The words of one command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The program's name and the flags `own` knows.
    pub(super) host: Vec<String>,
    /// Everything else.
    pub(super) engine: Vec<String>,
    /// Where each of our flags comes from.
    pub(super) given: Given,
}

/// Which of our flags are given, by their ids, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<String, Origin>);

/// Where a flag is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, as it is spelled there.
    CommandLine(String),
    /// By the variable of this name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine(flag) => f.write_str(flag),
            Origin::Variable(name) => f.write_str(name),
        }
    }
}

impl Given {
    /// Where the flag `id` comes from; none if it has its default.
    pub fn origin(&self, id: &str) -> Option<&Origin> {
        self.0.get(id)
    }

    /// What to call the flag `id` towards the operator: as it is given, otherwise by its name.
    pub fn name(&self, id: &str) -> String {
        match self.origin(id) {
            Some(origin) => origin.to_string(),
            None => format!("--{}", id.replace('_', "-")),
        }
    }

    fn note(&mut self, flag: &Arg, origin: Origin) {
        self.0.insert(flag.get_id().to_string(), origin);
    }
}

/// How a flag is followed by values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// By none: off by default, on by default, or unset by default.
    Switch { default: Option<bool> },
    /// By one.
    Value,
    /// By as many as there are that look like no flag, up to this one.
    Values { most: usize },
}

impl Shape {
    fn of(flag: &Arg) -> Self {
        let most = flag.get_num_args().map_or(1, |count| count.max_values());
        match flag.get_action() {
            ArgAction::SetTrue => Shape::Switch { default: Some(false) },
            ArgAction::SetFalse => Shape::Switch { default: Some(true) },
            _ if flag.is_require_equals_set() => Shape::Switch { default: None },
            _ if flag.get_num_args().is_some_and(|count| count.min_values() != most) => {
                Shape::Values { most }
            }
            _ => Shape::Value,
        }
    }
}

/// Sorts `words`, the first of which is the program's name. Words after `--` are the engine's.
pub(super) fn sort(
    own: &Command,
    words: impl IntoIterator<Item = String>,
    environment: &Environment,
) -> Words {
    let mut words = words.into_iter().peekable();
    let mut host: Vec<String> = words.next().into_iter().collect();
    let mut engine = Vec::new();
    let mut given = Given::default();
    let mut switches = BTreeMap::new();
    while let Some(word) = words.next() {
        if word == "--" {
            engine.extend(words);
            break;
        }
        if ["-h", "--help", "-V", "--version"].contains(&word.as_str()) {
            host.push(word);
            continue;
        }
        let Some((flag, on)) = find(own, &word) else {
            engine.push(word);
            continue;
        };
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name).to_owned();
        let has_value = name.len() < word.len();
        given.note(flag, Origin::CommandLine(name));
        match Shape::of(flag) {
            Shape::Switch { .. } if !has_value => {
                switches.insert(flag.get_id(), (flag, on));
            }
            Shape::Value if !has_value => {
                host.push(word);
                host.extend(words.next());
            }
            Shape::Values { most } if !has_value => {
                host.push(word);
                let values = std::iter::from_fn(|| words.next_if(|word| !word.starts_with('-')));
                host.extend(values.take(most));
            }
            _ => host.push(word),
        }
    }
    for (flag, on) in switches.into_values() {
        host.extend(switch(flag, on));
    }
    let of_variables = own.get_arguments().filter_map(|flag| {
        let variable = flag.get_env()?.to_str()?;
        Some((flag, variable, environment.get(variable)?))
    });
    for (flag, variable, value) in of_variables {
        if given.origin(flag.get_id().as_str()).is_none() {
            given.note(flag, Origin::Variable(variable.to_owned()));
            host.extend(from_variable(flag, value));
        }
    }
    Words { host, engine, given }
}

/// The flag of ours that `word` is, and whether it is in its positive form.
fn find<'a>(own: &'a Command, word: &str) -> Option<(&'a Arg, bool)> {
    let name = word.strip_prefix("--")?;
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    let called = |flag: &&Arg, name: &str| {
        flag.get_long() == Some(name)
            || flag.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    };
    let of_shape = |name: &str, default: &[Option<bool>]| {
        own.get_arguments().find(|flag| {
            called(flag, name)
                && matches!(Shape::of(flag), Shape::Switch { default: of } if default.contains(&of))
        })
    };
    if let Some(positive) = name.strip_prefix("no-") {
        if let Some(flag) = of_shape(positive, &[Some(false), None]) {
            return Some((flag, false));
        }
        return of_shape(name, &[Some(true)]).map(|flag| (flag, false));
    }
    own.get_arguments()
        .find(|flag| called(flag, name))
        .or_else(|| of_shape(&format!("no-{name}"), &[Some(true)]))
        .map(|flag| (flag, true))
}

/// The word for a switch that is `on`, if it needs one.
fn switch(flag: &Arg, on: bool) -> Option<String> {
    let name = flag.get_long()?;
    match Shape::of(flag) {
        Shape::Switch { default: None } => Some(format!("--{name}={on}")),
        Shape::Switch { default: Some(default) } if default == on => None,
        _ => Some(format!("--{name}")),
    }
}

/// The words that say what a variable does.
fn from_variable(flag: &Arg, value: &str) -> Vec<String> {
    let name = flag.get_long().unwrap_or_default();
    let many = matches!(flag.get_action(), ArgAction::Append);
    match Shape::of(flag) {
        Shape::Switch { .. } => switch(flag, is_truthy(value)).into_iter().collect(),
        Shape::Values { most } if most > 1 => {
            let values = value.split_whitespace().map(String::from);
            std::iter::once(format!("--{name}")).chain(values).collect()
        }
        // What has a separator of its own is for clap to take apart.
        Shape::Value if many && flag.get_value_delimiter().is_none() => {
            value.split_whitespace().map(|value| format!("--{name}={value}")).collect()
        }
        _ => vec![format!("--{name}={value}")],
    }
}

#[cfg(test)]
mod tests;
