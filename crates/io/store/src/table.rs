//! One table: ordered byte keys to checked byte values.

use crate::StoreError;
use crate::engine::guarded;
use crate::pieces::{CHUNK_BYTES, Pieces};
use crate::tree::{Changes, Pairs, Tree};
use std::ops::{Bound, RangeBounds};

/// Value layout: kind, crc32 of the whole value (little endian), then the value or, for a chunked
/// one, its length (u32 little endian) and the edition of its pieces.
const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
/// Bytes of a chunked value.
const CHUNKED_BYTES: usize = 10;

/// Keys that are removed in one batch where nobody waits: the engine lets nobody read meanwhile.
const REMOVED_AT_ONCE: usize = 256;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Changes that are applied together.
#[derive(Default, Debug)]
pub struct Batch {
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Adds or replaces the value of `key`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    /// Removes `key`, if it is there.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }

    /// True when there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// One table of the store. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    name: String,
    values: Tree,
    pub(crate) pieces: Pieces,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

impl Table {
    /// Made of the map called like it and that of its pieces.
    pub(crate) fn open(
        name: &str,
        open: impl Fn(&str) -> sled::Result<Tree>,
    ) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged {
            table: name.to_owned(),
        };
        Ok(Self {
            name: name.to_owned(),
            values: guarded(|| open(name), damaged)?,
            pieces: Pieces {
                table: name.to_owned(),
                map: guarded(|| open(&Pieces::map_of(name)), damaged)?,
            },
        })
    }

    /// The error for a value that is whole and yet cannot be decoded.
    pub fn unreadable(&self) -> StoreError {
        StoreError::Unreadable {
            table: self.name.clone(),
        }
    }

    /// Applies all changes of `batch`, or none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Engine`].
    pub fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut values = Changes::with_capacity(batch.changes.len());
        let mut stale = Changes::new();
        for (key, value) in batch.changes {
            let sealed = match value {
                Some(value) if value.len() > CHUNK_BYTES => {
                    let edition = self.next_edition(&key)?;
                    stale.extend(self.pieces.stale(&key, Some(edition))?);
                    self.pieces.write(&key, edition, &value)?;
                    Some(seal_chunked(&value, edition))
                }
                value => value.map(|value| seal(&value)),
            };
            values.push((key, sealed));
        }
        self.values.apply(values)?;
        self.pieces.remove(stale)
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.guarded(|| self.values.get(key))?
            .map(|sealed| self.unseal(key, &sealed))
            .transpose()
    }

    /// All pairs whose key is in `range`, in key order.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl Iterator<Item = Result<Pair, StoreError>> + '_ {
        let mut pairs = self.values.range(range);
        std::iter::from_fn(move || {
            let pair = self.guarded(|| pairs.next().transpose()).transpose()?;
            Some(pair.and_then(|(key, sealed)| {
                let value = self.unseal(&key, &sealed)?;
                Ok((key, value))
            }))
        })
    }

    /// The pair with the greatest key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last(&self) -> Result<Option<Pair>, StoreError> {
        let Some((key, sealed)) = self.guarded(|| self.values.last())? else {
            return Ok(None);
        };
        let value = self.unseal(&key, &sealed)?;
        Ok(Some((key, value)))
    }

    /// Removes every key in `range`, in one batch.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Engine`].
    pub fn remove_range<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<(), StoreError> {
        self.remove_all(&mut self.values.range(range), usize::MAX)?;
        Ok(())
    }

    /// Removes at most so many keys in `range`, in one batch; whether there may be more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Engine`].
    pub fn remove_some<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        most: usize,
    ) -> Result<bool, StoreError> {
        self.remove_all(&mut self.values.range(range), most)
    }

    /// Removes the next keys, at most so many, in one batch; whether there may be more.
    fn remove_all(&self, pairs: &mut Pairs, most: usize) -> Result<bool, StoreError> {
        let mut values = Changes::new();
        let mut stale = Changes::new();
        while values.len() < most {
            let Some((key, sealed)) = self.guarded(|| pairs.next().transpose())? else {
                break;
            };
            if sealed.first() == Some(&CHUNKED) {
                stale.extend(self.pieces.stale(&key, None)?);
            }
            values.push((key, None));
        }
        if values.is_empty() {
            return Ok(false);
        }
        let more = values.len() == most;
        self.values.apply(values)?;
        self.pieces.remove(stale)?;
        Ok(more)
    }

    /// The same at some time after the writes before, a few at a time: what is removed may be seen until then, and some of
    /// it after a crash. Nobody waits for the engine, which has to be read for this, or for a long batch in it.
    ///
    /// # Errors
    /// Of a disk in memory only; otherwise the next write or barrier has them.
    pub fn remove_range_later<K: AsRef<[u8]> + Send + 'static>(
        &self,
        range: impl RangeBounds<K> + Send + 'static,
    ) -> Result<(), StoreError> {
        match &self.values {
            Tree::Memory(_) => self.remove_range(range),
            Tree::Sled(map) => {
                let table = self.clone();
                map.later(move || {
                    let mut pairs = table.values.range(range);
                    while table.remove_all(&mut pairs, REMOVED_AT_ONCE)? {}
                    Ok(())
                });
                Ok(())
            }
        }
    }

    /// Overwrites the value of `key` with one whose checksum is wrong, for tests of what follows.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    #[cfg(any(test, feature = "testing"))]
    pub fn damage(&self, key: &[u8]) -> Result<(), StoreError> {
        self.values
            .insert(key.to_vec(), &[INLINE, 1, 2, 3, 4, b'x'])
    }

    fn guarded<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        guarded(call, || self.damaged())
    }

    fn damaged(&self) -> StoreError {
        StoreError::Damaged {
            table: self.name.clone(),
        }
    }

    /// One that the value there now does not use.
    fn next_edition(&self, key: &[u8]) -> Result<u8, StoreError> {
        let now = self.guarded(|| self.values.get(key))?;
        let edition = now.filter(|sealed| sealed.first() == Some(&CHUNKED));
        let edition = edition.and_then(|sealed| sealed.get(CHUNKED_BYTES - 1).copied());
        Ok(edition.map_or(0, |edition| edition.wrapping_add(1)))
    }

    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || self.damaged();
        let (kind, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let value = match *kind {
            INLINE => rest.to_vec(),
            CHUNKED => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
                let edition = *rest.first().ok_or_else(damaged)?;
                self.pieces
                    .read(key, edition, u32::from_le_bytes(*length))?
            }
            _ => return Err(damaged()),
        };
        if crc32fast::hash(&value) == u32::from_le_bytes(*sum) {
            Ok(value)
        } else {
            Err(damaged())
        }
    }

    /// The range of every key that begins with `prefix`.
    pub fn prefixed(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        prefixed(prefix)
    }
}

pub(crate) fn prefixed(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

fn seal(value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + 5);
    sealed.push(INLINE);
    sealed.extend(crc32fast::hash(value).to_le_bytes());
    sealed.extend(value);
    sealed
}

fn seal_chunked(value: &[u8], edition: u8) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CHUNKED_BYTES);
    sealed.push(CHUNKED);
    sealed.extend(crc32fast::hash(value).to_le_bytes());
    sealed.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    sealed.push(edition);
    sealed
}
