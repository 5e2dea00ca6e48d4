//! Reading a request.

use serde::de::DeserializeOwned;

use crate::bindings::dynamo::worker::prompt::Tokens;
use crate::{Error, Request, Result};

impl Request {
    /// The body as `T`.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`](crate::Kind), naming the member that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        // Finding the path costs; only a request that fails pays for it.
        serde_json::from_slice(&self.body).map_err(|error| {
            let mut json = serde_json::Deserializer::from_slice(&self.body);
            match serde_path_to_error::deserialize::<_, T>(&mut json) {
                Err(at) if at.path().iter().next().is_some() => {
                    Error::invalid_request(format!("{}: {}", at.path(), plain(at.inner())))
                }
                _ => Error::invalid_request(format!("the request body: {}", plain(&error))),
            }
        })
    }
}

/// The error without serde's position, which means nothing to a client whose body was rewritten on
/// its way here.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The token ids of the request, which stay with the host until they are read.
#[derive(Debug)]
pub enum Prompt<'a> {
    /// The real thing.
    Host(&'a Tokens),
    /// Ids in a native test.
    List(&'a [u32]),
}

impl Prompt<'_> {
    /// The ids from `start` on, at most `count`, fewer at the end.
    pub fn read(&self, start: u32, count: u32) -> Vec<u32> {
        match self {
            Prompt::Host(tokens) => tokens.read(start, count),
            Prompt::List(ids) => {
                ids.iter().copied().skip(start as usize).take(count as usize).collect()
            }
        }
    }

    /// All ids, read in pieces.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        const PIECE: u32 = 4096;
        (0..)
            .map(|piece| self.read(piece * PIECE, PIECE))
            .take_while(|ids| !ids.is_empty())
            .flatten()
    }
}
