//! The operator's two URLs: where media are written, and where clients read them.

use object_store::path::Path;
use object_store::{ObjectStore, parse_url_opts};
use url::Url;

/// The store cannot be used. Names the flag and what to write there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL of the store is not one that can be used.
    #[error(
        "--media-output-fs-url {url}: {problem}; write file:///directory, s3://bucket/prefix, \
         gs://bucket/prefix or az://container/prefix"
    )]
    Store {
        /// What the operator wrote.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The URL for clients is not one.
    #[error("--media-output-http-url {url}: {problem}; write https://host/path")]
    Http {
        /// What the operator wrote.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The object store's client cannot be set up.
    #[error("--media-output-fs-url {url}: the store cannot be set up: {source}")]
    Setup {
        /// What the operator wrote.
        url: String,
        /// What the client says.
        source: object_store::Error,
    },
}

/// Where media go, parsed.
pub(super) struct Location {
    written: String,
    url: Url,
    base: String,
}

impl Location {
    pub(super) fn parse(fs_url: &str, http_url: Option<&str>) -> Result<Self, StoreError> {
        let refuse =
            |problem: &str| StoreError::Store { url: fs_url.into(), problem: problem.into() };
        let Some((scheme, root)) = fs_url.split_once("://") else {
            return Err(refuse("there is no :// in it"));
        };
        // The second of each pair is how fsspec, and so Dynamo, names the scheme in its URLs.
        let (scheme, public_scheme) = match scheme.to_ascii_lowercase().as_str() {
            "file" | "local" => ("file", "file"),
            "memory" => ("memory", "memory"),
            "s3" | "s3a" => ("s3", "s3"),
            "gs" | "gcs" => ("gs", "gs"),
            "az" | "abfs" | "abfss" => ("abfs", "abfs"),
            other => return Err(refuse(&format!("{other} is not a kind of store"))),
        };
        let mut root = root.trim_end_matches('/').to_owned();
        if scheme == "memory" && !root.starts_with('/') {
            root.insert(0, '/');
        }
        match scheme {
            "file" if !root.starts_with('/') => {
                return Err(refuse("the directory must be absolute"));
            }
            "s3" | "gs" | "abfs" if root.is_empty() || root.starts_with('/') => {
                return Err(refuse("there is no bucket in it"));
            }
            _ => {}
        }
        let url = Url::parse(&format!("{scheme}://{root}"))
            .map_err(|error| refuse(&error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("? and # must be written %3F and %23"));
        }
        let base = match http_url {
            Some(http_url) => public_base(http_url)?,
            None => format!("{public_scheme}://{root}"),
        };
        Ok(Location { written: fs_url.to_owned(), url, base })
    }

    /// The store, and the path in it under which media go.
    pub(super) fn open(
        &self,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Box<dyn ObjectStore>, Path), StoreError> {
        parse_url_opts(&self.url, options(env))
            .map_err(|source| StoreError::Setup { url: self.written.clone(), source })
    }

    /// Whether media are files of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.url.scheme() == "file"
    }

    /// What precedes the slash and the name in the URLs for clients.
    pub(super) fn into_base(self) -> String {
        self.base
    }
}

fn public_base(http_url: &str) -> Result<String, StoreError> {
    let refuse = |problem: &str| StoreError::Http { url: http_url.into(), problem: problem.into() };
    let url = Url::parse(http_url).map_err(|error| refuse(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it is neither http nor https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("media cannot follow a ? or a #"));
    }
    Ok(http_url.trim_end_matches('/').to_owned())
}

/// The variables of object stores, under the names `object_store` knows them by. It knows names
/// without a prefix, too, such as `TOKEN`, which must not be taken from the environment.
fn options(env: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let (mut options, mut of_s3fs) = (Vec::new(), Vec::new());
    for (name, value) in env {
        let known = match name.as_str() {
            "FSSPEC_S3_KEY" => "aws_access_key_id",
            "FSSPEC_S3_SECRET" => "aws_secret_access_key",
            "FSSPEC_S3_TOKEN" => "aws_session_token",
            "FSSPEC_S3_ENDPOINT_URL" => "aws_endpoint_url_s3",
            _ => {
                if ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix)) {
                    options.push((name, value));
                }
                continue;
            }
        };
        of_s3fs.push((known.to_owned(), value));
    }
    // The later of two counts; s3fs prefers its own.
    options.append(&mut of_s3fs);
    // An operator who writes http means it; the client asks for a second word.
    let plain = options.iter().any(|(name, value)| {
        name.to_ascii_lowercase().starts_with("aws_endpoint") && value.starts_with("http://")
    });
    if plain {
        options.push(("aws_allow_http".into(), "true".into()));
    }
    options
}
