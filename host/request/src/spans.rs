//! What a trace shows of a request: spans below the one Dynamo opens for it.
//!
//! `plugin.plan` lasts from the instance to the plan, what the plugin asks of other workers and of its
//! engine included; `engine.call` from the sending of a call to the end of its answer, one for each
//! step. Nothing is made for a token, and nothing at all for a request without a sampled trace.

use dynamo_host_engine::Call;
use dynamo_host_failure::Failure;
use dynamo_host_plugin::Plugin;
use tracing::Span;

/// Opens the spans of one request, by default none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spans {
    wanted: bool,
}

impl Spans {
    /// Those of the request that came with these trace headers.
    pub(crate) fn of(trace_headers: &[(String, String)]) -> Self {
        let parent = trace_headers.iter().find(|(name, _)| name == "traceparent");
        Spans { wanted: parent.is_some_and(|(_, value)| is_sampled(value)) }
    }

    /// What the plugin does before its plan stands.
    pub(crate) fn plan(self, plugin: &Plugin) -> Span {
        if !self.wanted {
            return Span::none();
        }
        // The target is Dynamo's for the spans of requests: `DYN_LOG` is about lines, not about them.
        tracing::info_span!(
            target: "request_span",
            "plugin.plan",
            plugin = plugin.manifest().name,
            "plugin.version" = plugin.manifest().version,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        )
    }

    /// What the engine does for `call`.
    pub(crate) fn call(self, call: &Call) -> CallSpan {
        if !self.wanted {
            return CallSpan::default();
        }
        CallSpan(tracing::info_span!(
            target: "request_span",
            "engine.call",
            otel.kind = "client",
            http.request.method = call.method.as_str(),
            url.path = call.path,
            http.response.status_code = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
        ))
    }
}

/// Whether `traceparent` asks those who see it to record. Its last field is the flags, in hexadecimal.
fn is_sampled(traceparent: &str) -> bool {
    let flags = traceparent.rsplit('-').next();
    flags.is_some_and(|flags| u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1))
}

/// Marks `span` as that of something that failed.
pub(crate) fn failed(span: &Span, failure: &Failure) {
    if !span.is_disabled() {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", failure.message.as_str());
    }
}

/// The span of one call, until the call's answer has ended or is given up.
pub(crate) struct CallSpan(Span);

impl CallSpan {
    /// To be entered while the call is sent, and no longer: an answer has a thousand pieces.
    pub(crate) fn span(&self) -> &Span {
        &self.0
    }

    /// The engine has answered, so far with its status.
    pub(crate) fn answered(&self, status: u16) {
        if self.0.is_disabled() {
            return;
        }
        // As a signed number: other integers are exported as text.
        self.0.record("http.response.status_code", i64::from(status));
        if !(200..=299).contains(&status) {
            self.0.record("otel.status_code", "ERROR");
        }
    }

    /// It does not, or no longer.
    pub(crate) fn failed(&self, failure: &Failure) {
        failed(&self.0, failure);
    }
}

impl Default for CallSpan {
    fn default() -> Self {
        CallSpan(Span::none())
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        // An exported span ends where it was left last, not where it was dropped.
        self.0.in_scope(|| ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_for_sampled_traces_only() {
        let wanted = |headers: &[(&str, &str)]| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Spans::of(&headers).wanted
        };
        let parent = |flags: &str| format!("00-{}-{}-{flags}", "a".repeat(32), "b".repeat(16));
        assert!(wanted(&[("tracestate", "x=1"), ("traceparent", &parent("01"))]));
        assert!(wanted(&[("traceparent", &parent("03"))]));
        for flags in ["00", "02", "", "zz"] {
            assert!(!wanted(&[("traceparent", &parent(flags))]), "{flags}");
        }
        assert!(!wanted(&[]));
    }
}
