//! Somebody else's numbers as part of our own `/metrics`: one valid exposition in Prometheus' text
//! format comes of both, whatever the other is like.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// One family: what it is, and its samples as they are shown.
#[derive(Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: Vec<String>,
    /// Names and labels of these samples: each is shown once.
    seen: HashSet<String>,
}

/// The families of `text` whose names begin with `prefix`, each in one piece and once, whose samples
/// have `labels` where they have none of that name. What is no line of the format is left out.
pub fn adopt(text: &str, prefix: &str, labels: &[(String, String)]) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut families: HashMap<&str, Family<'_>> = HashMap::new();
    for line in text.lines().map(str::trim) {
        let Some((name, piece)) = read(line) else { continue };
        let family = match piece {
            Piece::Sample { .. } => family_of(name, &families),
            _ => name,
        };
        if !family.starts_with(prefix) {
            continue;
        }
        let entry = families.entry(family).or_insert_with(|| {
            order.push(family);
            Family::default()
        });
        match piece {
            Piece::Help(help) => entry.help = entry.help.or(Some(help)),
            Piece::Type(kind) => entry.kind = entry.kind.or(Some(kind)),
            Piece::Sample { inner, value } => {
                let series = series(name, inner, labels);
                if entry.seen.insert(series.clone()) {
                    entry.samples.push(format!("{series} {value}"));
                }
            }
        }
    }
    let mut shown = String::new();
    for (name, family) in order.iter().filter_map(|name| Some((*name, families.get(name)?))) {
        if family.samples.is_empty() {
            continue;
        }
        // Writing into a string does not fail.
        let _ = writeln!(shown, "# HELP {name} {}", family.help.unwrap_or_default());
        let _ = writeln!(shown, "# TYPE {name} {}", family.kind.unwrap_or("untyped"));
        for sample in &family.samples {
            let _ = writeln!(shown, "{sample}");
        }
    }
    shown
}

/// What a line says of a name.
enum Piece<'a> {
    Help(&'a str),
    Type(&'a str),
    Sample {
        /// What stands between the braces.
        inner: &'a str,
        /// The value, and a time if there is one.
        value: &'a str,
    },
}

fn read(line: &str) -> Option<(&str, Piece<'_>)> {
    if let Some(comment) = line.strip_prefix('#') {
        let comment = comment.trim_start();
        let (keyword, rest) = comment.split_once(' ')?;
        let (name, said) = rest.split_once(' ').unwrap_or((rest, ""));
        let piece = match keyword {
            "HELP" => Piece::Help(said),
            "TYPE" => Piece::Type(said),
            _ => return None,
        };
        return Some((name, piece));
    }
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (inner, value) = match rest.strip_prefix('{') {
        None => ("", rest),
        Some(rest) => {
            let end = closing_brace(rest)?;
            (&rest[..end], &rest[end + 1..])
        }
    };
    let value = value.trim();
    value.split_whitespace().next()?.parse::<f64>().ok()?;
    Some((name, Piece::Sample { inner: inner.trim().trim_end_matches(','), value }))
}

/// Where the labels end: at the first brace outside of a value.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

/// The family of a sample: of its own name, or that of a histogram or summary it is a part of.
fn family_of<'a>(name: &'a str, families: &HashMap<&'a str, Family<'a>>) -> &'a str {
    let part_of = |suffix: &str| {
        let base = name.strip_suffix(suffix)?;
        let (base, family) = families.get_key_value(base)?;
        matches!(family.kind, Some("histogram" | "summary")).then_some(*base)
    };
    ["_bucket", "_sum", "_count"].into_iter().find_map(part_of).unwrap_or(name)
}

/// A sample's name and labels, with those it lacks.
fn series(name: &str, inner: &str, labels: &[(String, String)]) -> String {
    let mut all = inner.to_owned();
    for (label, value) in labels {
        if !has_label(inner, label) {
            let comma = if all.is_empty() { "" } else { "," };
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            let _ = write!(all, "{comma}{label}=\"{value}\"");
        }
    }
    if all.is_empty() { name.to_owned() } else { format!("{name}{{{all}}}") }
}

/// Whether a label of this name stands in `inner`, outside of a value.
fn has_label(inner: &str, label: &str) -> bool {
    let mut rest = inner;
    while let Some((name, value)) = rest.split_once("=\"") {
        if name.trim().trim_start_matches(',').trim() == label {
            return true;
        }
        let Some(end) = closing_quote(value) else { return false };
        rest = &value[end + 1..];
    }
    false
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place() -> Vec<(String, String)> {
        [("dynamo_component", "backend"), ("model_name", "m\"x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }

    #[test]
    fn only_the_engines_own_families_come_through_and_with_their_place() {
        let text = "# HELP python_gc_total Of no interest\n# TYPE python_gc_total counter\n\
                    python_gc_total 3.0\n# HELP e:reqs Running\n# TYPE e:reqs gauge\n\
                    e:reqs{model_name=\"own, \\\"}\"} 2.0\ne:reqs 1\n";
        assert_eq!(
            adopt(text, "e:", &place()),
            "# HELP e:reqs Running\n# TYPE e:reqs gauge\n\
             e:reqs{model_name=\"own, \\\"}\",dynamo_component=\"backend\"} 2.0\n\
             e:reqs{dynamo_component=\"backend\",model_name=\"m\\\"x\"} 1\n"
        );
    }

    #[test]
    fn a_family_in_pieces_is_joined_and_what_is_twice_is_shown_once() {
        let text = "# TYPE e:t histogram\ne:t_bucket{le=\"1\"} 1\ne:a 1\n# HELP e:t Time\n\
                    # TYPE e:t histogram\ne:t_bucket{le=\"1\"} 1\ne:t_bucket{le=\"+Inf\"} 2\n\
                    e:t_sum 3\ne:t_count 2\ne:t_count 2\n";
        assert_eq!(
            adopt(text, "e:", &[]),
            "# HELP e:t Time\n# TYPE e:t histogram\ne:t_bucket{le=\"1\"} 1\n\
             e:t_bucket{le=\"+Inf\"} 2\ne:t_sum 3\ne:t_count 2\n# HELP e:a \n# TYPE e:a untyped\n\
             e:a 1\n"
        );
    }

    #[test]
    fn what_is_no_exposition_is_nothing() {
        for text in
            ["", "<html>e:a</html>", "e:a", "e:a{b=\"c 1", "e:a x", "e:a{b=\"c\"}", "# TYPE"]
        {
            assert_eq!(adopt(text, "e:", &[]), "", "{text}");
        }
    }
}
