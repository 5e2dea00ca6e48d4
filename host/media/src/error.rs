//! Why a medium was not fetched.

use dynamo_host_failure::{Failure, Kind};
use url::Url;

/// Why a medium was not fetched.
///
/// Messages name what the client wrote, never what the host found out about the network or the
/// disk: resolved addresses, errors of the system and the local directory stay in the log.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are what each case means")]
pub enum FetchError {
    #[error("the media URL is empty")]
    Empty,
    #[error("{label} is not a URL: {source}")]
    Malformed { label: String, source: url::ParseError },
    #[error("{label}: only https, http, data and file URLs can be fetched")]
    Scheme { label: String },
    #[error("{label}: http URLs are not allowed; use https (operators: DYN_MM_ALLOW_INTERNAL=1)")]
    PlainHttp { label: String },
    #[error("{label}: this host is not allowed, it may be inside a private network")]
    Internal { label: String },
    #[error("{label}: the host name does not resolve")]
    Unresolved { label: String },
    #[error("{label}: more than {limit} redirects")]
    TooManyRedirects { label: String, limit: usize },
    #[error("{label} redirects to something that is not an http or https URL")]
    BadRedirect { label: String },
    #[error("{label}: the server answered {status}")]
    Status { label: String, status: u16 },
    #[error("{label}: the server cannot be reached, or closed the connection")]
    Unreachable { label: String },
    #[error("{label}: not fetched within {milliseconds} ms")]
    TimedOut { label: String, milliseconds: u128 },
    #[error("{label}: over the limit of {limit} bytes")]
    TooLarge { label: String, limit: u64 },
    #[error(
        "{label}: over the limit of {limit} bytes for data URLs (operators: DYN_MM_MAX_DATA_URL_MB, \
         on the frontend and the workers)"
    )]
    DataUrlTooLarge { label: String, limit: u64 },
    #[error("{label}: {problem}")]
    DataUrl { label: String, problem: String },
    #[error("{label} is of type {found}, which is not one of {wanted}")]
    WrongType { label: String, found: String, wanted: String },
    #[error("{label}: local files are not allowed (operators: DYN_MM_LOCAL_PATH)")]
    LocalFiles { label: String },
    /// Missing and outside the directory are one case, so that nobody can ask what exists outside.
    #[error("{label}: there is no such file under the directory for local media")]
    NoSuchFile { label: String },
    #[error("DYN_MM_LOCAL_PATH cannot be used: {source}")]
    LocalRoot { source: std::io::Error },
    #[error("{label}: the file cannot be read: {source}")]
    ReadFile { label: String, source: std::io::Error },
}

impl FetchError {
    /// Whether the operator's rules forbid where it leads.
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            FetchError::Scheme { .. }
                | FetchError::PlainHttp { .. }
                | FetchError::Internal { .. }
                | FetchError::BadRedirect { .. }
                | FetchError::LocalFiles { .. }
                | FetchError::NoSuchFile { .. }
        )
    }

    /// Dynamo answers `InvalidRequest` for whatever its URL policy refuses and for statuses 4xx of
    /// the source (`image_diffusion_handler.py`). Beyond that this says more than Dynamo: a medium
    /// over a limit is 413 instead of 400, and a source that fails is 502 instead of 500.
    fn kind(&self) -> Kind {
        match self {
            FetchError::Status { status: 400..=499, .. } => Kind::InvalidRequest,
            FetchError::Status { .. } | FetchError::Unreachable { .. } => Kind::BackendProtocol,
            FetchError::TimedOut { .. } => Kind::DeadlineExceeded,
            FetchError::TooLarge { .. } | FetchError::DataUrlTooLarge { .. } => {
                Kind::PayloadTooLarge
            }
            FetchError::WrongType { .. } => Kind::UnsupportedMedia,
            FetchError::LocalRoot { .. } | FetchError::ReadFile { .. } => Kind::Internal,
            FetchError::Empty
            | FetchError::Malformed { .. }
            | FetchError::Scheme { .. }
            | FetchError::PlainHttp { .. }
            | FetchError::Internal { .. }
            | FetchError::Unresolved { .. }
            | FetchError::TooManyRedirects { .. }
            | FetchError::BadRedirect { .. }
            | FetchError::DataUrl { .. }
            | FetchError::LocalFiles { .. }
            | FetchError::NoSuchFile { .. } => Kind::InvalidRequest,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let kind = error.kind();
        Failure { kind, message: error.to_string(), public: kind != Kind::Internal }
    }
}

/// The longest a source is written in a message, in bytes. Clients choose their URLs.
const LONGEST_LABEL: usize = 120;

/// A source in a message: a URL without its user, password, query and fragment, which may be
/// secrets, and of bounded length.
pub(crate) fn label(url: &Url) -> String {
    if !url.has_host() {
        return shortened(&format!("{}:{}", url.scheme(), url.path()));
    }
    let host_to_path = &url[url::Position::BeforeHost..url::Position::AfterPath];
    shortened(&format!("{}://{host_to_path}", url.scheme()))
}

/// Text of a client in a message: of bounded length, and without what confuses a terminal.
pub(crate) fn shortened(text: &str) -> String {
    let mut end = text.len().min(LONGEST_LABEL);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { "…" } else { "" };
    format!("{}{cut}", text[..end].escape_debug())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn secrets_of_a_url_stay_out_of_messages() {
        let url = "https://me:secret@example.com:8443/a/b.png?token=secret#secret";
        assert_eq!(label(&url.parse().unwrap()), "https://example.com:8443/a/b.png");
        assert_eq!(label(&"mailto:a?secret".parse().unwrap()), "mailto:a");
        assert_eq!(label(&"file:///a/b".parse().unwrap()), "file:/a/b");
    }

    #[test]
    fn what_a_client_writes_is_cut_and_escaped() {
        assert_eq!(shortened("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        let long = "ä".repeat(1000);
        assert_eq!(shortened(&long).len(), LONGEST_LABEL + "…".len());
    }

    #[test]
    fn a_fault_of_the_host_is_not_for_clients() {
        let source = std::io::Error::other("disk on fire");
        let failure = Failure::from(FetchError::LocalRoot { source });
        assert_eq!((failure.kind, failure.public), (Kind::Internal, false));
    }
}
