//! How far the store was known to be durable. The engine takes a file whose end is lost or damaged
//! for an older one and says nothing; a Raft log that forgets what it acknowledged is worse than none.
//! So each flush has a number, kept in the store and, once it is durable, beside it.

use crate::StoreError;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The key of the number, in the engine's unnamed table.
const KEY: &[u8] = b"flushed";
/// The file beside the engine's: the number, then its checksum.
const FILE: &str = "flushed";

/// The number of the last flush.
#[derive(Debug)]
pub(crate) struct Flushed {
    number: u64,
    file: File,
}

impl Flushed {
    /// Compares what the engine has with what it had. The file is not synced: it may be behind after
    /// a power loss, never ahead.
    ///
    /// # Errors
    /// What `lost` says when the engine has less than it had; [`StoreError::Engine`].
    pub(crate) fn open(
        db: &sled::Db,
        folder: &Path,
        lost: impl Fn() -> StoreError,
    ) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(FILE))
            .map_err(sled::Error::from)?;
        let stored = crate::engine::guarded(|| db.get(KEY), &lost)?;
        let number = stored.as_deref().and_then(read).unwrap_or_default();
        let mut beside = [0; 12];
        // An empty or torn file says nothing.
        let known = file.read_exact_at(&mut beside, 0).ok();
        if known
            .and_then(|()| read(&beside))
            .is_some_and(|known| known > number)
        {
            return Err(lost());
        }
        Ok(Self { number, file })
    }

    /// Numbers the flush that is about to be made.
    pub(crate) fn begin(&mut self, db: &sled::Db) -> io::Result<()> {
        self.number += 1;
        db.insert(KEY, &written(self.number))
            .map_err(io::Error::other)?;
        Ok(())
    }

    /// It is durable.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.file.write_all_at(&written(self.number), 0)
    }
}

fn written(number: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&number.to_be_bytes()).to_be_bytes());
    bytes
}

fn read(bytes: &[u8]) -> Option<u64> {
    let (number, sum) = bytes.split_at_checked(8)?;
    let sum: [u8; 4] = sum.try_into().ok()?;
    (crc32fast::hash(number) == u32::from_be_bytes(sum))
        .then(|| number.try_into().ok().map(u64::from_be_bytes))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_back_or_not_at_all() {
        let bytes = written(7);
        assert_eq!(read(&bytes), Some(7));
        for damaged in [&bytes[..11], &[0; 12], &[&bytes[..], &[0]].concat()] {
            assert_eq!(read(damaged), None, "{damaged:?}");
        }
    }
}
