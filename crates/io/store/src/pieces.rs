//! Large values in pieces. The engine keeps larger values in files of their own, outside its ordered log; so they
//! are cut up.
//!
//! Each value has an edition of pieces. Those of a new value are written before it, beside those of the value
//! before, which go after it: after a crash either of them is whole. Pieces that nothing names may be left; the
//! next large value of the key takes their place, or removes them.

use crate::StoreError;
use crate::engine::guarded;
use crate::table::prefixed;
use crate::tree::{Changes, Tree};

/// Bytes of a piece; a value with more is cut up.
pub const CHUNK_BYTES: usize = 65_536;

/// The pieces of a table's values.
#[derive(Clone)]
pub(crate) struct Pieces {
    pub(crate) table: String,
    pub(crate) map: Tree,
}

impl Pieces {
    /// The name of the map for the pieces of a table.
    pub(crate) fn map_of(table: &str) -> String {
        format!("{table}.chunks")
    }

    pub(crate) fn write(&self, key: &[u8], edition: u8, value: &[u8]) -> Result<(), StoreError> {
        for (number, piece) in (0u32..).zip(value.chunks(CHUNK_BYTES)) {
            let mut at = edition_prefix(key, edition);
            at.extend(number.to_be_bytes());
            self.map.insert(at, piece)?;
        }
        Ok(())
    }

    /// Puts a value of so many bytes together: no more pieces than it has, because older ones may follow.
    pub(crate) fn read(&self, key: &[u8], edition: u8, bytes: u32) -> Result<Vec<u8>, StoreError> {
        let count = (bytes as usize).div_ceil(CHUNK_BYTES);
        let mut value = Vec::new();
        let pieces = self.map.range(prefixed(&edition_prefix(key, edition)));
        let mut pieces = pieces.take(count);
        while let Some((_, piece)) = self.guarded(|| pieces.next().transpose())? {
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    /// The removal of every piece that is kept for a key, but for those of one edition.
    pub(crate) fn stale(&self, key: &[u8], but: Option<u8>) -> Result<Changes, StoreError> {
        let kept = but.map(|edition| edition_prefix(key, edition));
        let mut removals = Changes::new();
        let mut pieces = self.map.range(prefixed(&key_prefix(key)));
        while let Some((piece, _)) = self.guarded(|| pieces.next().transpose())? {
            if kept.as_ref().is_none_or(|kept| !piece.starts_with(kept)) {
                removals.push((piece, None));
            }
        }
        Ok(removals)
    }

    pub(crate) fn remove(&self, stale: Changes) -> Result<(), StoreError> {
        if stale.is_empty() {
            return Ok(());
        }
        self.map.apply(stale)
    }

    fn guarded<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        guarded(call, || StoreError::Damaged {
            table: self.table.clone(),
        })
    }
}

/// Keys are of any length, so the length leads: no key's pieces are a prefix of another's.
fn key_prefix(key: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(key.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes()
        .to_vec();
    out.extend(key);
    out
}

fn edition_prefix(key: &[u8], edition: u8) -> Vec<u8> {
    let mut out = key_prefix(key);
    out.push(edition);
    out
}
