//! What a case expects, held against what was observed.

use dynamo_host_failure::Failure;
use serde_json::Value;

use crate::case::{Call, Case, Error, Exchange, Framing};
use crate::compare::{Difference, Rules};
use crate::script::Seen;

/// What came of running a case.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) setup: Option<Value>,
    pub(crate) registration: Option<Value>,
    pub(crate) health_check: Option<Value>,
    pub(crate) warm_up: Option<Value>,
    /// What the routes that were called answered.
    pub(crate) routes: Vec<Value>,
    /// The calls of the engine, in order.
    pub(crate) calls: Vec<Seen>,
    /// The chunks of the response, decoded.
    pub(crate) chunks: Vec<Value>,
    pub(crate) failure: Option<Failure>,
    /// What is wrong whatever the case expects, such as a chunk that is not MessagePack.
    pub(crate) defects: Vec<Difference>,
}

/// Every difference between the case and what was observed, in the order of a request.
pub(crate) fn differences(case: &Case, observed: &Observed) -> Vec<Difference> {
    let rules = Rules { strict_null: &case.strict_null };
    let mut found = observed.defects.clone();
    let answers = [
        ("setup", &case.setup, &observed.setup),
        ("registration", &case.registration, &observed.registration),
        ("health_check", &case.health_check, &observed.health_check),
        ("warm_up", &case.warm_up, &observed.warm_up),
    ];
    for (what, expected, got) in answers {
        // If it did not come, there is a failure, which is reported below.
        if let (Some(expected), Some(got)) = (expected, got) {
            found.extend(rules.compare(what, expected, got));
        }
    }
    for (i, (expected, got)) in case.routes.iter().zip(&observed.routes).enumerate() {
        let what = format!("route call {} ({})", i + 1, expected.path);
        let expected = expected.answer.as_ref().unwrap_or(&Value::Null);
        found.extend(rules.compare(&what, expected, got));
    }
    found.extend(calls(case, &observed.calls, rules));
    if let Some(expected) = &case.chunks {
        found.extend(rules.compare("chunks", expected, &Value::Array(observed.chunks.clone())));
    }
    found.extend(failure(case.error.as_ref(), observed.failure.as_ref()));
    found
}

/// The exchanges come first, then the aborts, then nothing.
fn calls(case: &Case, seen: &[Seen], rules: Rules<'_>) -> Vec<Difference> {
    let exchanges =
        case.exchanges.iter().enumerate().map(|(i, exchange)| {
            (format!("exchange {}", i + 1), &exchange.call, framing(exchange))
        });
    let aborts = case.aborts.iter().enumerate();
    let aborts = aborts.map(|(i, abort)| (format!("abort {}", i + 1), abort, None));
    let expected: Vec<_> = exchanges.chain(aborts).collect();

    let mut found = Vec::new();
    for (i, (what, call, framing)) in expected.iter().enumerate() {
        match seen.get(i) {
            Some(seen) => found.extend(one_call(what, call, *framing, seen, rules)),
            None => found.push(Difference::new(what, describe(call), "no call")),
        }
    }
    for extra in seen.iter().skip(expected.len()) {
        let got = format!("{} {} {}", extra.method, extra.path, crate::compare::show(&extra.body));
        found.push(Difference::new("engine", "no further call", got));
    }
    found
}

/// The framing the plugin must have asked for. What an answer that is not 2xx is framed as does not
/// matter: it is taken whole.
fn framing(exchange: &Exchange) -> Option<Framing> {
    let reply = &exchange.reply;
    match reply.body {
        Some(_) => (200..300).contains(&reply.status).then_some(Framing::Whole),
        // A medium is asked for as a body.
        None if reply.medium.is_some() => Some(Framing::Whole),
        None => reply.framing,
    }
}

fn describe(call: &Call) -> String {
    let method = call.method.as_deref().unwrap_or("any method");
    let path = call.path.as_deref().unwrap_or("any path");
    format!("{method} {path}")
}

fn one_call(
    what: &str,
    expected: &Call,
    framing: Option<Framing>,
    seen: &Seen,
    rules: Rules<'_>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let lines = [("method", &expected.method, &seen.method), ("path", &expected.path, &seen.path)];
    for (line, expected, got) in lines {
        if let Some(expected) = expected
            && expected != got
        {
            found.push(Difference::new(format!("{what} {line}"), expected, got));
        }
    }
    let header = |name: &str| {
        let name = name.to_ascii_lowercase();
        seen.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    for (name, expected) in &expected.headers {
        let place = format!("{what} header {name}");
        match header(name) {
            Some(value) => {
                found.extend(rules.compare(&place, expected, &Value::String(value.clone())));
            }
            None => found.push(Difference::new(place, crate::compare::show(expected), "nothing")),
        }
    }
    for name in &expected.without_headers {
        if let Some(value) = header(name) {
            found.push(Difference::new(format!("{what} header {name}"), "nothing", value));
        }
    }
    if let (Some(expected), Some(got)) = (framing, seen.framing)
        && expected != got
    {
        let place = format!("{what} framing");
        found.push(Difference::new(place, format!("{expected:?}"), format!("{got:?}")));
    }
    if let Some(expected) = expected.after_ms
        && u128::from(expected) != seen.waited.as_millis()
    {
        let ms = |time: u128| format!("{time} ms");
        let (expected, got) = (ms(expected.into()), ms(seen.waited.as_millis()));
        found.push(Difference::new(format!("{what} after"), expected, got));
    }
    if let Some(expected) = &expected.body {
        found.extend(rules.compare(&format!("{what} body"), expected, &seen.body));
    }
    found
}

fn failure(expected: Option<&Error>, got: Option<&Failure>) -> Vec<Difference> {
    let visibility = |public| if public { "a public message" } else { "a message kept inside" };
    match (expected, got) {
        (None, None) => Vec::new(),
        (None, Some(failure)) => vec![Difference::new("error", "none", failure.to_string())],
        (Some(error), None) => vec![Difference::new("error", &error.class, "none")],
        (Some(error), Some(failure)) => {
            let mut found = Vec::new();
            if error.class != failure.kind.class() {
                found.push(Difference::new("error", &error.class, failure.to_string()));
            }
            if let Some(public) = error.public
                && public != failure.public
            {
                let got = format!("{}: {failure}", visibility(failure.public));
                found.push(Difference::new("error public", visibility(public), got));
            }
            if let Some(part) = &error.message_contains
                && !failure.message.contains(part)
            {
                let expected = format!("`{part}` in it");
                found.push(Difference::new("error message", expected, &failure.message));
            }
            found
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
