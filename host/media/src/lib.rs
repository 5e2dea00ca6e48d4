//! Images and videos on their way in and out: the host's side of the plugin import `media`.
//!
//! The URLs come from clients, and the worker stands inside the operator's network. So a
//! [`Fetcher`] asks a [`Policy`] about every URL, every redirect and every address, and connects
//! only to addresses that were asked about. What comes back is a [`Blob`], whose bytes stay in the
//! host. A [`Store`] takes blobs to where the operator keeps them and says where clients find them.
//!
//! The way of a fetch through the modules: `fetch` tells the kinds of URL apart; `data_url`,
//! `local_file` and `http` each read one kind; `http` asks `address` about literal addresses, and
//! `names` asks it about resolved ones. Whatever is refused is
//! a [`FetchError`], which becomes a `Failure` at the end.

mod address;
mod data_url;
mod error;
mod fetch;
mod http;
mod limits;
mod local_file;
mod names;
mod policy;
mod store;

pub use dynamo_host_blob::Blob;
pub use error::FetchError;
pub use fetch::{Fetcher, FetcherError};
pub use limits::Limits;
pub use policy::Policy;
pub use store::{Store, StoreError};
