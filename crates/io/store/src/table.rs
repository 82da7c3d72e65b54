//! One table: ordered byte keys to checked byte values.

use crate::StoreError;
use crate::engine::guarded;
use crate::tree::{Changes, Tree};
use std::ops::{Bound, RangeBounds};

/// The engine keeps larger values in files of their own, outside its ordered log; so larger ones
/// are cut into pieces of this many bytes.
pub const CHUNK_BYTES: usize = 65_536;

/// Value layout: kind, crc32 of the whole value (little endian), then the value or, for a chunked
/// one, its length (u32 little endian) and the edition of its pieces.
const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
/// Bytes of a chunked value.
const CHUNKED_BYTES: usize = 10;

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
        let mut stale = Changes::new();
        for (key, value) in batch.changes {
            let sealed = match value {
                Some(value) if value.len() > CHUNK_BYTES => {
                    stale.extend(self.pieces_of(&key)?);
                    let edition = self.next_edition(&key)?;
                    stale.retain(|(piece, _)| !piece.starts_with(&edition_prefix(&key, edition)));
                    Some(self.seal_chunked(&key, &value, edition)?)
                }
                value => value.map(|value| seal(&value)),
            };
            values.push((key, sealed));
        }
        self.values.apply(values)?;
        self.remove_pieces(stale)
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
        let mut stale = Changes::new();
        let mut pairs = self.values.range(range);
        while let Some((key, sealed)) = self.guarded(|| pairs.next().transpose())? {
            if sealed.first() == Some(&CHUNKED) {
                stale.extend(self.pieces_of(&key)?);
            }
            values.push((key, None));
        }
        self.values.apply(values)?;
        self.remove_pieces(stale)
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

    /// Writes the pieces of a value. They come before it, and those of the value before go after it, so after a
    /// crash either of them is whole. Pieces that nothing names may be left; the next large value of the key
    /// takes their place, or removes them.
    fn seal_chunked(&self, key: &[u8], value: &[u8], edition: u8) -> Result<Vec<u8>, StoreError> {
        for (number, piece) in (0u32..).zip(value.chunks(CHUNK_BYTES)) {
            self.chunks.insert(chunk_key(key, edition, number), piece)?;
        }
        let mut sealed = Vec::with_capacity(CHUNKED_BYTES);
        sealed.push(CHUNKED);
        sealed.extend(crc32fast::hash(value).to_le_bytes());
        sealed.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        sealed.push(edition);
        Ok(sealed)
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
                self.assemble(key, edition, u32::from_le_bytes(*length))?
            }
            _ => return Err(damaged()),
        };
        if crc32fast::hash(&value) == u32::from_le_bytes(*sum) {
            Ok(value)
        } else {
            Err(damaged())
        }
    }

    /// Puts the pieces of a value together: as many as its length says, because older ones may follow.
    fn assemble(&self, key: &[u8], edition: u8, length: u32) -> Result<Vec<u8>, StoreError> {
        let count = (length as usize).div_ceil(CHUNK_BYTES);
        let mut value = Vec::new();
        let mut pieces = self
            .chunks
            .range(Self::prefixed(&edition_prefix(key, edition)))
            .take(count);
        while let Some((_, piece)) = self.guarded(|| pieces.next().transpose())? {
            value.extend_from_slice(&piece);
        }
        Ok(value)
    }

    /// The removal of every piece that is kept for a key.
    fn pieces_of(&self, key: &[u8]) -> Result<Changes, StoreError> {
        let mut removals = Changes::new();
        let mut pieces = self.chunks.range(Self::prefixed(&chunk_prefix(key)));
        while let Some((piece, _)) = self.guarded(|| pieces.next().transpose())? {
            removals.push((piece, None));
        }
        Ok(removals)
    }

    fn remove_pieces(&self, removals: Changes) -> Result<(), StoreError> {
        if removals.is_empty() {
            return Ok(());
        }
        self.chunks.apply(removals)
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

fn edition_prefix(key: &[u8], edition: u8) -> Vec<u8> {
    let mut out = chunk_prefix(key);
    out.push(edition);
    out
}

fn chunk_key(key: &[u8], edition: u8, number: u32) -> Vec<u8> {
    let mut out = edition_prefix(key, edition);
    out.extend(number.to_be_bytes());
    out
}

fn seal(value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + 5);
    sealed.push(INLINE);
    sealed.extend(crc32fast::hash(value).to_le_bytes());
    sealed.extend(value);
    sealed
}

#[cfg(test)]
mod tests {
    use crate::{Batch, CHUNK_BYTES, Disk, Store, StoreError, Table};
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
    fn after_a_crash_a_large_value_is_the_old_one_or_the_new_one() {
        type Act = fn(&Table);
        let put = |table: &Table, value: Vec<u8>| {
            let mut batch = Batch::default();
            batch.put("k", value);
            table.apply(batch).unwrap();
        };
        let large = |n: u8, pieces: usize| vec![n; pieces * CHUNK_BYTES - 1];
        let removal: Act = |table| table.remove_range::<Vec<u8>>(..).unwrap();
        for (before, after) in [(3, 3), (3, 2), (2, 4), (0, 3), (3, 0)] {
            let mut kept = 0;
            loop {
                let disk = Disk::default();
                let store = Store::in_memory(&disk);
                let table = store.table("t").unwrap();
                // What an earlier crash may have left is in the way.
                put(&table, large(7, 5));
                put(&table, b"small".to_vec());
                if before > 0 {
                    put(&table, large(1, before));
                }
                let old = table.value(b"k").unwrap();
                disk.settle(&disk.begin());
                if after > 0 {
                    put(&table, large(2, after));
                } else {
                    removal(&table);
                }
                let new = table.value(b"k").unwrap();
                let mut written = 0;
                disk.crash(|all| {
                    written = all;
                    kept.min(all)
                });
                let found = Store::in_memory(&disk).table("t").unwrap().value(b"k");
                let found =
                    found.unwrap_or_else(|error| panic!("{before} {after} {kept}: {error}"));
                assert!(found == old || found == new, "{before} {after} {kept}");
                if kept > written {
                    assert!(found == new, "{before} {after}");
                    break;
                }
                kept += 1;
            }
        }
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
