//! The engine's words, looked at but not understood.
//!
//! Which worker this is, and how the host treats its engine, hangs on a few of SGLang's own flags.
//! They are read as SGLang reads them: the last word on the command line, otherwise the file behind
//! `--config` (`sglang.srt.utils.server_args_config_parser`). They stay where they are, unless
//! Dynamo gives SGLang others for them.

use serde_yaml::{Mapping, Value};

/// The words, and the flags in a file beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EngineWords {
    words: Vec<String>,
    file: Mapping,
}

impl EngineWords {
    pub(crate) fn new(words: Vec<String>) -> Self {
        EngineWords { words, file: Mapping::new() }
    }

    /// Takes the flags of `--config FILE` into account, if there is one. What is wrong with that
    /// file is the engine's to say. `--config=FILE` is none: SGLang does not look into it.
    pub(crate) fn read_config(&mut self) {
        let path = self.words.iter().position(|word| word == "--config");
        let path = path.and_then(|at| self.words.get(at + 1));
        let text = path.and_then(|path| std::fs::read_to_string(path).ok());
        let file = text.and_then(|text| read_yaml(&text).ok());
        if let Some(Value::Mapping(file)) = file {
            self.file = file;
        }
    }

    /// Puts a file with the flags `file` behind `--config`, instead of one that was given.
    pub(super) fn set_config(&mut self, path: String, file: Mapping) {
        self.set("config", Some(path));
        self.file = file;
    }

    /// The value of the flag `name` (without dashes), if it is given one.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mut value = None;
        for (at, word) in self.words.iter().enumerate() {
            match flag_of(word) {
                Some((flag, Some(inline))) if flag == name => value = Some(inline.to_owned()),
                Some((flag, None)) if flag == name => {
                    let next = self.words.get(at + 1).filter(|next| flag_of(next).is_none());
                    value = next.cloned().or(value);
                }
                _ => {}
            }
        }
        value.or_else(|| text(self.in_file(name)?))
    }

    /// The values of the flag `name` in the file, which may be a list.
    pub(super) fn values_in_file(&self, name: &str) -> Vec<String> {
        match self.in_file(name) {
            Some(Value::Sequence(values)) => values.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Whether the switch `name` is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.on_line(name) || matches!(self.in_file(name), Some(Value::Bool(true)))
    }

    /// The first flag whose name begins with `prefix`.
    pub(super) fn first_with(&self, prefix: &str) -> Option<String> {
        let line = self.words.iter().filter_map(|word| flag_of(word)).map(|(name, _)| name.into());
        line.chain(self.file.keys().filter_map(key)).find(|name: &String| name.starts_with(prefix))
    }

    /// Replaces what is given as the flag `name`. It comes last then, as Dynamo puts it.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        let mut words = std::mem::take(&mut self.words).into_iter().peekable();
        while let Some(word) = words.next() {
            match flag_of(&word) {
                Some((flag, Some(_))) if flag == name => {}
                Some((flag, None)) if flag == name => {
                    words.next_if(|next| flag_of(next).is_none());
                }
                _ => self.words.push(word),
            }
        }
        self.words.push(format!("--{name}"));
        self.words.extend(value);
    }

    /// Adds the switch `name` if it is not given.
    pub(super) fn switch_on(&mut self, name: &str) {
        if !self.has(name) {
            self.words.push(format!("--{name}"));
        }
    }

    pub(super) fn into_words(self) -> Vec<String> {
        self.words
    }

    fn on_line(&self, name: &str) -> bool {
        self.words.iter().any(|word| flag_of(word).is_some_and(|(flag, _)| flag == name))
    }

    fn in_file(&self, name: &str) -> Option<&Value> {
        self.file
            .iter()
            .find(|(of, _)| key(of).is_some_and(|of| of == name))
            .map(|(_, value)| value)
    }
}

/// The name of the flag that `word` is, without dashes, and its value if it has one.
fn flag_of(word: &str) -> Option<(&str, Option<&str>)> {
    let flag = word.strip_prefix("--")?;
    Some(flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value))))
}

/// A flag's name in a file, where hyphens and underscores are the same.
pub(super) fn key(key: &Value) -> Option<String> {
    // `as_str` would look behind a tag.
    let Value::String(key) = key else { return None };
    Some(key.replace('_', "-"))
}

/// What `text` says to SGLang, which reads YAML 1.1 (PyYAML's `safe_load`): there `yes` and `off` are
/// booleans. In quotes they are not; that difference is lost here, and no flag of SGLang's has such a
/// word for a value.
///
/// # Errors
/// It is not YAML.
pub(super) fn read_yaml(text: &str) -> Result<Value, serde_yaml::Error> {
    fn booleans(value: &mut Value) {
        match value {
            Value::String(word) => match word.as_str() {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" => *value = Value::Bool(true),
                "no" | "No" | "NO" | "off" | "Off" | "OFF" => *value = Value::Bool(false),
                _ => {}
            },
            Value::Sequence(values) => values.iter_mut().for_each(booleans),
            Value::Mapping(flags) => flags.values_mut().for_each(booleans),
            _ => {}
        }
    }
    let mut value = serde_yaml::from_str(text)?;
    booleans(&mut value);
    Ok(value)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(line: &str, yaml: &str) -> EngineWords {
        let words = line.split_whitespace().map(String::from).collect();
        let file = read_yaml(yaml).unwrap().as_mapping().unwrap().clone();
        EngineWords { words, file }
    }

    #[test]
    fn the_last_word_counts_and_wins_over_the_file() {
        let both = words("--mode a --mode=b --x", "mode: c\ndllm_algorithm: L");
        assert_eq!(both.value("mode").as_deref(), Some("b"));
        assert_eq!(both.value("dllm-algorithm").as_deref(), Some("L"));
        assert_eq!(both.value("x"), None);
        assert_eq!(words("--mode --x", "{}").value("mode"), None);
    }

    #[test]
    fn a_switch_is_on_by_its_word_or_by_the_file() {
        let given = words("--a", "b: true\nc: false\ne: yes\nf: Off");
        assert!(given.has("a") && given.has("b") && !given.has("c") && !given.has("d"));
        assert!(given.has("e") && !given.has("f"));
        assert_eq!(given.first_with("b").as_deref(), Some("b"));
        assert_eq!(given.first_with("ab"), None);
    }

    #[test]
    fn a_flag_that_is_replaced_comes_last() {
        let mut given = words("--mode a --tp 2 --mode=b", "{}");
        given.set("mode", Some("null".into()));
        given.switch_on("quiet");
        given.switch_on("quiet");
        assert_eq!(given.into_words().join(" "), "--tp 2 --mode null --quiet");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_to_the_engine() {
        let mut given = words("--config /no/such.yaml", "{}");
        given.read_config();
        assert_eq!(given.into_words().join(" "), "--config /no/such.yaml");
    }
}
