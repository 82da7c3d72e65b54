//! One ordered map of bytes, of the engine or of a disk in memory. Tables are made of these, so all
//! they do themselves (checksums, pieces) is the same on both.

use crate::memory;
use std::ops::{Bound, RangeBounds};

/// Changes that are applied together.
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Clone)]
pub(crate) enum Tree {
    Sled(sled::Tree),
    Memory(memory::Tree),
}

impl Tree {
    pub(crate) fn apply(&self, changes: Changes) -> sled::Result<()> {
        match self {
            Self::Sled(tree) => {
                let mut batch = sled::Batch::default();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                tree.apply_batch(batch)
            }
            Self::Memory(tree) => tree.apply(changes),
        }
    }

    pub(crate) fn insert(&self, key: Vec<u8>, value: &[u8]) -> sled::Result<()> {
        match self {
            Self::Sled(tree) => tree.insert(key, value).map(drop),
            Self::Memory(tree) => tree.apply(vec![(key, Some(value.to_vec()))]),
        }
    }

    pub(crate) fn remove(&self, key: &[u8]) -> sled::Result<()> {
        match self {
            Self::Sled(tree) => tree.remove(key).map(drop),
            Self::Memory(tree) => tree.apply(vec![(key.to_vec(), None)]),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> sled::Result<Option<Vec<u8>>> {
        match self {
            Self::Sled(tree) => Ok(tree.get(key)?.map(|value| value.to_vec())),
            Self::Memory(tree) => Ok(tree.get(key)),
        }
    }

    pub(crate) fn last(&self) -> sled::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Sled(tree) => Ok(tree
                .last()?
                .map(|(key, value)| (key.to_vec(), value.to_vec()))),
            Self::Memory(tree) => Ok(tree.last()),
        }
    }

    pub(crate) fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Pairs {
        let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        let bounds = (owned(range.start_bound()), owned(range.end_bound()));
        match self {
            Self::Sled(tree) => Pairs::Sled(tree.range(bounds)),
            Self::Memory(tree) => Pairs::Memory(tree.range(bounds)),
        }
    }
}

/// The pairs of a range, in key order.
pub(crate) enum Pairs {
    Sled(sled::Iter),
    Memory(memory::Pairs),
}

impl Iterator for Pairs {
    type Item = sled::Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Sled(pairs) => Some(
                pairs
                    .next()?
                    .map(|(key, value)| (key.to_vec(), value.to_vec())),
            ),
            Self::Memory(pairs) => pairs.next().map(Ok),
        }
    }
}
