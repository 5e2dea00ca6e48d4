//! What the host holds for a plugin by handle: media, and the responses of other workers.

use dynamo_host_blob::Blob;
use wasmtime::component::Resource;

use crate::bindings::{handles, types};
use crate::imports::State;
use crate::{Failure, Kind, PeerChunks};

/// A response a plugin reads.
pub struct Reply(pub(crate) Box<dyn PeerChunks>);

impl State {
    /// Hands a blob to the plugin, if it may hold that much more.
    pub(crate) fn hold(&mut self, blob: Blob) -> wasmtime::Result<Result<Resource<Blob>, Failure>> {
        let Some(left) = self.media_bytes_left.checked_sub(blob.size()) else {
            let message = format!("a medium of {} bytes: more than may be held", blob.size());
            return Ok(Err(Failure::new(Kind::PayloadTooLarge, message)));
        };
        self.media_bytes_left = left;
        Ok(Ok(self.table.push(blob)?))
    }
}

impl handles::Host for State {}

impl handles::HostBlob for State {
    fn size(&mut self, blob: Resource<Blob>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&blob)?.size())
    }

    fn content_type(&mut self, blob: Resource<Blob>) -> wasmtime::Result<String> {
        Ok(self.table.get(&blob)?.content_type().to_owned())
    }

    fn read(&mut self, blob: Resource<Blob>, offset: u64, count: u32) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&blob)?.read(offset, count as usize))
    }

    fn drop(&mut self, blob: Resource<Blob>) -> wasmtime::Result<()> {
        self.take_blob(blob)?;
        Ok(())
    }
}

impl handles::HostReply for State {
    async fn next(
        &mut self,
        reply: Resource<Reply>,
        max: u32,
    ) -> wasmtime::Result<Result<Vec<Vec<u8>>, types::Failure>> {
        let chunks = self.table.get_mut(&reply)?.0.next(max as usize);
        Ok(match self.deadline.suspend(chunks).await {
            Ok(chunks) => Ok(chunks.into_iter().map(Vec::from).collect()),
            Err(failure) => Err(failure.into()),
        })
    }

    fn drop(&mut self, reply: Resource<Reply>) -> wasmtime::Result<()> {
        self.table.delete(reply)?;
        Ok(())
    }
}
