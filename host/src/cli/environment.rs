//! Variables of the environment, as a value: only the program reads the real ones.

use std::collections::BTreeMap;

/// Variables by their names. Those whose values are empty are not there: deployments write an empty
/// variable where they mean none.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process. One that is not UTF-8 is no variable of ours.
    pub fn of_this_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The others.
    pub fn without(&self, name: &str) -> Self {
        let mut others = self.clone();
        others.0.remove(name);
        others
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Environment(variables.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }
}

/// Whether a variable's text turns a switch on, as everywhere in Dynamo.
pub(super) fn is_truthy(text: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&text.trim().to_lowercase().as_str())
}

/// Whether a variable's text is known to mean on or off.
pub(super) fn is_bool(text: &str) -> bool {
    is_truthy(text) || is_falsy(text)
}

/// Whether a variable's text is known to mean off.
pub(super) fn is_falsy(text: &str) -> bool {
    ["0", "false", "no", "off"].contains(&text.trim().to_lowercase().as_str())
}

/// `path` with `~` and variables in it expanded, as a shell does; a variable that is not set stays
/// as it is written.
pub(super) fn expand(path: &str, environment: &Environment) -> String {
    let home = environment.get("HOME");
    let path = match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{home}{rest}")
        }
        _ => path.to_owned(),
    };
    let mut expanded = String::new();
    let mut rest = path.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, end) = match after.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !in_name(c)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match environment.get(name) {
            Some(value) => expanded.push_str(value),
            None => {
                expanded.push('$');
                expanded.push_str(&after[..end]);
            }
        }
        rest = &after[end..];
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_variable_is_none() {
        let environment = environment(&[("A", ""), ("B", "b")]);
        assert_eq!((environment.get("A"), environment.get("B")), (None, Some("b")));
    }

    #[test]
    fn paths_are_expanded() {
        let environment = environment(&[("HOME", "/home/me"), ("D", "/data")]);
        for (path, expanded) in [
            ("~/a", "/home/me/a"),
            ("~you/a", "~you/a"),
            ("$D/a", "/data/a"),
            ("x${D}y", "x/datay"),
            ("$NONE/a$", "$NONE/a$"),
        ] {
            assert_eq!(expand(path, &environment), expanded);
        }
    }
}
