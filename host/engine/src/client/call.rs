//! What is asked, and where.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::EngineError;
use crate::events::Framing;

/// One HTTP exchange, in the engine's own words.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers, beside `host` and, if there is a body, `content-type: application/json`, which are
    /// added unless they are here.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// How the answer is cut into events.
    pub framing: Framing,
    /// Whether no harm is done if the engine sees the call twice. Only then it may go over a connection
    /// that has waited, which the engine may be closing.
    pub repeatable: bool,
}

impl Call {
    /// A GET whose answer is taken whole.
    pub fn get(path: impl Into<String>) -> Self {
        Call {
            method: Method::GET,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Whole,
            repeatable: true,
        }
    }
}

/// Where an engine is.
#[derive(Debug)]
pub(super) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// `host:port`, for the `host` header and for messages.
    address: String,
    host_header: HeaderValue,
    /// Comes before every path; empty, or begins with `/` and does not end with one.
    prefix: String,
}

impl Target {
    pub(super) fn parse(base: &str) -> Result<Self, EngineError> {
        let bad = |why: &str| EngineError::BadUrl { url: base.to_owned(), why: why.to_owned() };
        let uri: Uri = base.parse().map_err(|error| bad(&format!("{error}")))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("it does not begin with http:// (TLS is not spoken to engines)"));
        }
        if uri.query().is_some() {
            return Err(bad("it has a query"));
        }
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it has a user name"));
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => 80,
            None => return Err(bad("its port is not a number up to 65535")),
        };
        let address = format!("{}:{port}", authority.host());
        Ok(Target {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            host_header: HeaderValue::from_str(&address).map_err(|e| bad(&e.to_string()))?,
            address,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, EngineError> {
        let Call { method, path, headers, body, .. } = call;
        let bad = |why: String| EngineError::BadCall { path: path.clone(), why };
        if !path.starts_with('/') {
            return Err(bad("its path does not begin with `/`".to_owned()));
        }
        let uri: Uri = format!("{}{path}", self.prefix)
            .parse()
            .map_err(|error| bad(format!("its path is not valid: {error}")))?;
        let has_body = !body.is_empty();
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let wrong = |error: &dyn std::fmt::Display| bad(format!("header `{name}`: {error}"));
            let key: HeaderName = name.parse().map_err(|error| wrong(&error))?;
            let value: HeaderValue = value.parse().map_err(|error| wrong(&error))?;
            request.headers_mut().append(key, value);
        }
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert_with(|| self.host_header.clone());
        if has_body {
            let json = HeaderValue::from_static("application/json");
            headers.entry(CONTENT_TYPE).or_insert(json);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn a_base_url_gives_host_port_and_prefix() {
        for (url, host, port, prefix) in [
            ("http://127.0.0.1:30000", "127.0.0.1", 30000, ""),
            ("http://localhost", "localhost", 80, ""),
            ("http://[::1]:8/", "::1", 8, ""),
            ("http://gw:8080/engines/a/", "gw", 8080, "/engines/a"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port), "{url}");
            assert_eq!(target.prefix, prefix, "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_named() {
        for url in [
            "",
            "127.0.0.1:30000",
            "https://a",
            "http://",
            "http://a:b",
            "http://a?b",
            "http://u@a",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(matches!(&error, EngineError::BadUrl { url: named, .. } if named == url));
        }
    }

    #[test]
    fn the_usual_headers_are_added_unless_given() {
        let target = Target::parse("http://h:1/p").unwrap();
        let body = Bytes::from_static(b"x");
        let call = |path| Call { method: Method::POST, body: body.clone(), ..Call::get(path) };
        let headers = vec![("Content-Type".to_owned(), "text/plain".to_owned())];
        let request = target.request(&Call { headers, ..call("/a?b=c") }).unwrap();
        assert_eq!(request.uri(), "/p/a?b=c");
        assert_eq!(request.headers()[HOST], "h:1");
        assert_eq!(request.headers()[CONTENT_TYPE], "text/plain");
        let request = target.request(&call("/a")).unwrap();
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        let request = target.request(&Call::get("/a")).unwrap();
        assert!(!request.headers().contains_key(CONTENT_TYPE));
    }

    #[test]
    fn a_call_that_is_not_http_says_what_is_wrong() {
        let target = Target::parse("http://h:1").unwrap();
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (path, headers, part) in [
            ("generate", vec![], "begin with `/`"),
            ("/a b", vec![], "path is not valid"),
            ("/a", header("a b", "c"), "header `a b`"),
            ("/a", header("b", "c\r\nd: e"), "header `b`"),
        ] {
            let error = target.request(&Call { headers, ..Call::get(path) }).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
