//! One ordered map of bytes, of the engine or of a disk in memory. Tables are made of these, so all
//! they do themselves (checksums, pieces) is the same on both.

use crate::StoreError;
use crate::memory;
use crate::pending::{Map, Merged};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// Changes that are applied together.
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Clone)]
pub(crate) enum Tree {
    Sled(Arc<Map>),
    Memory(memory::Tree),
}

impl Tree {
    pub(crate) fn apply(&self, changes: Changes) -> Result<(), StoreError> {
        match self {
            Self::Sled(map) => {
                let changes = changes.into_iter();
                let changes = changes.map(|(key, value)| (key.into(), value.map(Into::into)));
                map.write(changes.collect())
            }
            Self::Memory(tree) => Ok(tree.apply(changes)?),
        }
    }

    pub(crate) fn insert(&self, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        self.apply(vec![(key, Some(value.to_vec()))])
    }

    pub(crate) fn get(&self, key: &[u8]) -> sled::Result<Option<Vec<u8>>> {
        match self {
            Self::Sled(map) => Ok(map.get(key)?.map(|value| value.to_vec())),
            Self::Memory(tree) => Ok(tree.get(key)),
        }
    }

    pub(crate) fn last(&self) -> sled::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Sled(map) => Ok(map
                .last()?
                .map(|(key, value)| (key.to_vec(), value.to_vec()))),
            Self::Memory(tree) => Ok(tree.last()),
        }
    }

    pub(crate) fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Pairs {
        let owned = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        let bounds = (owned(range.start_bound()), owned(range.end_bound()));
        match self {
            Self::Sled(map) => Pairs::Sled(Box::new(map.range(bounds))),
            Self::Memory(tree) => Pairs::Memory(tree.range(bounds)),
        }
    }
}

/// The pairs of a range, in key order.
pub(crate) enum Pairs {
    Sled(Box<Merged>),
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

/// Whether no key can lie between. A `BTreeMap` panics on some of these.
pub(crate) fn is_empty(start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>) -> bool {
    match (start, end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (
            Bound::Included(start) | Bound::Excluded(start),
            Bound::Included(end) | Bound::Excluded(end),
        ) => start >= end,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
