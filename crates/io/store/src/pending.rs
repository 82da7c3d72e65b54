//! One map of the engine, and what was written to it and is not there yet.
//!
//! The engine stands still while the disk does: who writes may have to wait for a buffer that is on its way to the
//! disk, for as long as a sync of others takes. So only the flusher's thread writes to it. Everybody else leaves
//! the changes here, where reads see them at once, and goes on.

use crate::StoreError;
use crate::engine::guarded;
use crate::flusher::{Flusher, Job};
use crate::tree::is_empty;
use sled::IVec;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A key and its new value; `None` removes it.
pub(crate) type Change = (IVec, Option<IVec>);

/// One map, shared by all who use it, and the way to the one who writes to it.
pub(crate) struct Map {
    shared: Arc<Shared>,
    flusher: Arc<Flusher>,
}

/// What the flusher's thread shares of it: not the flusher, which would wait for itself to end.
struct Shared {
    name: String,
    tree: sled::Tree,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    /// The newest change of each key, with the number of its write.
    changes: BTreeMap<IVec, (u64, Option<IVec>)>,
    /// How many writes there were.
    writes: u64,
}

impl Map {
    pub(crate) fn new(name: &str, tree: sled::Tree, flusher: Arc<Flusher>) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            tree,
            pending: Mutex::default(),
        });
        Self { shared, flusher }
    }

    /// Makes changes that are applied together. Waits only for room, see [`Flusher::admit`].
    pub(crate) fn write(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let bytes = changes.iter().map(size).sum();
        self.flusher.admit(bytes)?;
        let mut pending = self.shared.lock();
        pending.writes += 1;
        let number = pending.writes;
        for (key, value) in &changes {
            let newest = (number, value.clone());
            pending.changes.insert(key.clone(), newest);
        }
        // Still locked, so that writes are carried out in the order of their numbers.
        self.flusher.request(Job::Write(Write {
            map: Arc::clone(&self.shared),
            number,
            changes,
            bytes,
        }));
        Ok(())
    }

    /// Has something done by the flusher, after all writes before.
    pub(crate) fn later(&self, work: impl FnOnce() -> Result<(), StoreError> + Send + 'static) {
        self.flusher.request(Job::Work(Box::new(work)));
    }

    pub(crate) fn get(&self, key: &[u8]) -> sled::Result<Option<IVec>> {
        let pending = self.shared.lock().changes.get(key).cloned();
        match pending {
            Some((_, value)) => Ok(value),
            None => self.shared.tree.get(key),
        }
    }

    pub(crate) fn last(&self) -> sled::Result<Option<(IVec, IVec)>> {
        let changed = self.shared.lock().changes.clone();
        let mut newest = changed.iter().rev();
        let written = newest.find_map(|(key, (_, value))| Some((key.clone(), value.clone()?)));
        for pair in self.shared.tree.iter().rev() {
            let (key, value) = pair?;
            if !changed.contains_key(&key) {
                return Ok(Some((key, value)).max(written));
            }
        }
        Ok(written)
    }

    pub(crate) fn range(&self, bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Merged {
        // First what is not in the engine yet: it may be there a moment later, which does no harm.
        let changes = self.changes(&bounds);
        Merged {
            changes: changes.into_iter().peekable(),
            tree: self.shared.tree.range(bounds).peekable(),
        }
    }

    fn changes(&self, (start, end): &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Vec<Change> {
        if is_empty(start, end) {
            return Vec::new();
        }
        let bounds = (
            start.as_ref().map(Vec::as_slice),
            end.as_ref().map(Vec::as_slice),
        );
        let pending = self.shared.lock();
        let changes = pending.changes.range::<[u8], _>(bounds);
        changes
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing in here panics half way.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a change takes beside its bytes, roughly.
pub(crate) const CHANGE_BYTES: usize = 128;

fn size((key, value): &Change) -> usize {
    CHANGE_BYTES + key.len() + value.as_ref().map_or(0, |value| value.len())
}

/// A write on its way to the engine.
pub(crate) struct Write {
    map: Arc<Shared>,
    number: u64,
    changes: Vec<Change>,
    pub(crate) bytes: usize,
}

impl Write {
    /// Carries it out, on the flusher's thread.
    pub(crate) fn carry_out(&self) -> Result<(), StoreError> {
        let map = &self.map;
        let mut batch = sled::Batch::default();
        for (key, value) in &self.changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let damaged = || StoreError::Damaged {
            table: map.name.clone(),
        };
        guarded(|| map.tree.apply_batch(batch), damaged)?;
        let mut pending = map.lock();
        for (key, _) in &self.changes {
            let newest = pending.changes.get(key).map(|(number, _)| *number);
            if newest == Some(self.number) {
                pending.changes.remove(key);
            }
        }
        Ok(())
    }
}

/// The pairs of a range: the engine's, with what is not there yet in their places.
pub(crate) struct Merged {
    changes: Peekable<std::vec::IntoIter<Change>>,
    tree: Peekable<sled::Iter>,
}

impl Iterator for Merged {
    type Item = sled::Result<(IVec, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let changed = self.changes.peek().map(|(key, _)| key);
            match (changed, self.tree.peek()) {
                (None, _) | (Some(_), Some(Err(_))) => return self.tree.next(),
                (Some(changed), Some(Ok((key, _)))) if key < changed => return self.tree.next(),
                (Some(changed), Some(Ok((key, _)))) if key == changed => drop(self.tree.next()),
                (Some(_), Some(Ok(_)) | None) => {
                    let (key, value) = self.changes.next()?;
                    if let Some(value) = value {
                        return Some(Ok((key, value)));
                    }
                }
            }
        }
    }
}
