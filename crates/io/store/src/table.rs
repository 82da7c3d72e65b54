//! One table: ordered byte keys to checked byte values.

use crate::StoreError;
use crate::engine::guarded;
use crate::tree::{Changes, Tree};
use std::ops::{Bound, RangeBounds};

/// The engine keeps larger values in files of their own, outside its ordered log; so larger ones
/// are cut into pieces of this many bytes.
pub const CHUNK_BYTES: usize = 65_536;

/// Value layout: kind, crc32 of the whole value (little endian), then the value or, for a chunked
/// one, its length (u32 little endian).
const INLINE: u8 = 0;
const CHUNKED: u8 = 1;

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
    chunks: Tree,
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
            chunks: guarded(|| open(&chunk_tree(name)), damaged)?,
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
        for (key, value) in batch.changes {
            let sealed = value.map(|value| self.seal(&key, &value)).transpose()?;
            values.push((key, sealed));
        }
        self.values.apply(values)
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
        let mut values = Changes::new();
        let mut pairs = self.values.range(range);
        while let Some((key, _)) = self.guarded(|| pairs.next().transpose())? {
            self.remove_chunks(&key)?;
            values.push((key, None));
        }
        self.values.apply(values)
    }

    /// The same at some time after the writes before: what is removed may be seen until then. The caller does
    /// not wait for the engine, which has to be read for this.
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
                map.later(move || table.remove_range(range));
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

    /// Pieces are written before the value that names them: a crash between leaves pieces that
    /// nothing names, and the next write of the key replaces them.
    fn seal(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = Vec::with_capacity(value.len().min(CHUNK_BYTES) + 9);
        let chunked = value.len() > CHUNK_BYTES;
        sealed.push(if chunked { CHUNKED } else { INLINE });
        sealed.extend(crc32fast::hash(value).to_le_bytes());
        if chunked {
            sealed.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.remove_chunks(key)?;
            for (number, piece) in (0u32..).zip(value.chunks(CHUNK_BYTES)) {
                self.chunks.insert(chunk_key(key, number), piece)?;
            }
        } else {
            sealed.extend(value);
        }
        Ok(sealed)
    }

    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || self.damaged();
        let (kind, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let value = match *kind {
            INLINE => rest.to_vec(),
            CHUNKED => self.pieces(key)?,
            _ => return Err(damaged()),
        };
        if crc32fast::hash(&value) == u32::from_le_bytes(*sum) {
            Ok(value)
        } else {
            Err(damaged())
        }
    }

    fn pieces(&self, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::new();
        let mut pieces = self.chunks.range(Self::prefixed(&chunk_prefix(key)));
        while let Some((_, piece)) = self.guarded(|| pieces.next().transpose())? {
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    fn remove_chunks(&self, key: &[u8]) -> Result<(), StoreError> {
        let mut pieces = self.chunks.range(Self::prefixed(&chunk_prefix(key)));
        while let Some((piece, _)) = self.guarded(|| pieces.next().transpose())? {
            self.chunks.remove(&piece)?;
        }
        Ok(())
    }

    /// The range of every key that begins with `prefix`.
    pub fn prefixed(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
            }
        }
        (Bound::Included(prefix.to_vec()), Bound::Unbounded)
    }
}

pub(crate) fn chunk_tree(name: &str) -> String {
    format!("{name}.chunks")
}

/// Keys are of any length, so the length leads: no key's pieces are a prefix of another's.
fn chunk_prefix(key: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(key.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes()
        .to_vec();
    out.extend(key);
    out
}

fn chunk_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut out = chunk_prefix(key);
    out.extend(number.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use crate::{Batch, CHUNK_BYTES, Store, StoreError, Table};
    use std::path::Path;

    #[test]
    fn values_of_every_size_survive_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let sizes = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 7];
        let value = |n: usize| (0..n).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        {
            let store = Store::open(dir.path()).unwrap();
            let table = store.table("t").unwrap();
            for n in sizes {
                let mut batch = Batch::default();
                batch.put(n.to_be_bytes(), value(n));
                table.apply(batch).unwrap();
            }
            store.barrier_blocking().unwrap();
        }
        let table = Store::open(dir.path()).unwrap().table("t").unwrap();
        for n in sizes {
            assert_eq!(table.value(&n.to_be_bytes()).unwrap().unwrap(), value(n));
        }
        assert_eq!(table.range::<Vec<u8>>(..).count(), sizes.len());
        table.remove_range::<Vec<u8>>(..).unwrap();
        assert_eq!(table.range::<Vec<u8>>(..).count(), 0);
        assert_eq!(table.chunks.range::<Vec<u8>>(..).count(), 0);
    }

    #[test]
    fn a_damaged_value_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let table = store.table("t").unwrap();
        let mut batch = Batch::default();
        batch.put("k", "value");
        table.apply(batch).unwrap();
        table.damage(b"k").unwrap();
        assert!(
            table
                .value(b"k")
                .unwrap_err()
                .to_string()
                .contains("table t")
        );
    }

    /// Blocks that changed places make the engine panic, a lost end looks to it like an older store,
    /// and some blocks hold only what is out of date: then nothing is missing.
    #[test]
    fn damaged_files_are_an_error_that_says_what_to_do() {
        const BLOCK: usize = 512 << 10;
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        let path = dir.path().join("db");
        let good = std::fs::read(&path).unwrap();
        let zeroed = [&vec![0; BLOCK], &good[BLOCK..]].concat();
        let moved = [
            &good[..BLOCK],
            &good[2 * BLOCK..3 * BLOCK],
            &good[2 * BLOCK..],
        ]
        .concat();
        for (name, bytes) in [
            ("nothing", &vec![0; good.len()]),
            ("a block of zeros", &zeroed),
            ("a block twice", &moved),
            ("half of it", &good[..good.len() / 2].to_vec()),
            ("all but the end", &good[..good.len() - BLOCK].to_vec()),
        ] {
            std::fs::write(&path, bytes).unwrap();
            match read(dir.path()) {
                Ok(count) => assert_eq!(count, PAIRS, "{name}"),
                Err(error) => {
                    let said = error.to_string();
                    let helps = said.contains("node replace") && !said.contains('\n');
                    assert!(helps, "{name}: {said}");
                }
            }
        }
        std::fs::write(&path, &good).unwrap();
        assert_eq!(read(dir.path()).unwrap(), PAIRS);
    }

    const PAIRS: usize = 3_000;

    fn fill(dir: &Path) {
        let store = Store::open(dir).unwrap();
        let table = store.table("t").unwrap();
        for n in 0..u32::try_from(PAIRS).unwrap() {
            let mut batch = Batch::default();
            batch.put(n.to_be_bytes(), vec![0; 600]);
            table.apply(batch).unwrap();
        }
        store.barrier_blocking().unwrap();
    }

    fn read(dir: &Path) -> Result<usize, StoreError> {
        let table = Store::open(dir)?.table("t")?;
        let pairs: Vec<_> = table.range::<Vec<u8>>(..).collect::<Result<_, _>>()?;
        Ok(pairs.len())
    }

    #[test]
    fn a_prefix_range_holds_exactly_the_prefixed_keys() {
        let dir = tempfile::tempdir().unwrap();
        let table = Store::open(dir.path()).unwrap().table("t").unwrap();
        let mut batch = Batch::default();
        for key in [&[1, 255][..], &[1, 255, 0], &[1, 255, 255], &[2], &[1, 254]] {
            batch.put(key, "v");
        }
        table.apply(batch).unwrap();
        assert_eq!(table.range(Table::prefixed(&[1, 255])).count(), 3);
        assert_eq!(table.range(Table::prefixed(&[255])).count(), 0);
    }

    #[test]
    fn a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path()).unwrap();
        assert!(Store::open(dir.path()).is_err());
    }
}
