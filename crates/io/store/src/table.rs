//! One table: ordered byte keys to checked byte values.

use crate::StoreError;
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
    values: sled::Tree,
    chunks: sled::Tree,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

impl Table {
    pub(crate) fn open(db: &sled::Db, name: &str) -> Result<Self, StoreError> {
        Ok(Self {
            name: name.to_owned(),
            values: db.open_tree(name)?,
            chunks: db.open_tree(chunk_tree(name))?,
        })
    }

    pub(crate) fn remove(db: &sled::Db, name: &str) -> Result<(), StoreError> {
        db.drop_tree(name)?;
        db.drop_tree(chunk_tree(name))?;
        Ok(())
    }

    /// Applies all changes of `batch`, or none.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut values = sled::Batch::default();
        for (key, value) in batch.changes {
            match value {
                Some(value) => values.insert(key.as_slice(), self.seal(&key, &value)?),
                None => values.remove(key),
            }
        }
        Ok(self.values.apply_batch(values)?)
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.values
            .get(key)?
            .map(|sealed| self.unseal(key, &sealed))
            .transpose()
    }

    /// All pairs whose key is in `range`, in key order.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl Iterator<Item = Result<Pair, StoreError>> + '_ {
        self.values.range::<K, _>(range).map(move |pair| {
            let (key, sealed) = pair?;
            Ok((key.to_vec(), self.unseal(&key, &sealed)?))
        })
    }

    /// The pair with the greatest key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last(&self) -> Result<Option<Pair>, StoreError> {
        let Some((key, sealed)) = self.values.last()? else {
            return Ok(None);
        };
        let value = self.unseal(&key, &sealed)?;
        Ok(Some((key.to_vec(), value)))
    }

    /// Removes every key in `range`, in one batch.
    ///
    /// # Errors
    /// [`StoreError::Engine`].
    pub fn remove_range<K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
    ) -> Result<(), StoreError> {
        let mut values = sled::Batch::default();
        for key in self.values.range::<K, _>(range).keys() {
            let key = key?;
            self.remove_chunks(&key)?;
            values.remove(key);
        }
        Ok(self.values.apply_batch(values)?)
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
        let damaged = || StoreError::Damaged {
            table: self.name.clone(),
        };
        let (kind, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let value = match *kind {
            INLINE => rest.to_vec(),
            CHUNKED => {
                let mut value = Vec::new();
                for piece in self.chunks.scan_prefix(chunk_prefix(key)) {
                    value.extend_from_slice(&piece?.1);
                }
                value
            }
            _ => return Err(damaged()),
        };
        if crc32fast::hash(&value) == u32::from_le_bytes(*sum) {
            Ok(value)
        } else {
            Err(damaged())
        }
    }

    fn remove_chunks(&self, key: &[u8]) -> Result<(), StoreError> {
        for piece in self.chunks.scan_prefix(chunk_prefix(key)).keys() {
            self.chunks.remove(piece?)?;
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

fn chunk_tree(name: &str) -> String {
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
    use crate::{Batch, CHUNK_BYTES, Store, Table};

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
        assert_eq!(table.chunks.len(), 0);
    }

    #[test]
    fn a_damaged_value_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let table = store.table("t").unwrap();
        let mut batch = Batch::default();
        batch.put("k", "value");
        table.apply(batch).unwrap();
        table.values.insert("k", vec![0, 1, 2, 3, 4, b'x']).unwrap();
        assert!(
            table
                .value(b"k")
                .unwrap_err()
                .to_string()
                .contains("table t")
        );
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
