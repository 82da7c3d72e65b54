//! The twin of the engine for simulations: a disk in memory that forgets like one.
//!
//! What is written is seen at once and survives a crash only up to the last sync, and of what came
//! after it a prefix. When a sync ends, and how, decides whoever owns the [`Disk`].

use crate::flusher::Done;
use crate::tree::{Changes, is_empty};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

type Map = BTreeMap<Vec<u8>, Arc<[u8]>>;
type Maps = BTreeMap<String, Map>;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// As written.
    seen: Maps,
    /// As of the last sync.
    durable: Maps,
    /// What was written since, in order.
    journal: VecDeque<Write>,
    /// Writes before the journal, ever.
    settled: u64,
    waiting: Vec<Done>,
    flusher: Option<Waker>,
    failed: Option<Arc<io::Error>>,
    full: bool,
}

/// Keys and their new values.
type Pieces = Vec<(Vec<u8>, Option<Arc<[u8]>>)>;

/// What is written to one map at once.
#[derive(Clone)]
struct Write {
    map: String,
    pieces: Pieces,
}

fn carry_out(maps: &mut Maps, Write { map, pieces }: Write) {
    let map = maps.entry(map).or_default();
    for (key, value) in pieces {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

/// A sync that is under way: whoever waits for it, and how far it reaches.
pub struct Sync {
    waiting: Vec<Done>,
    upto: u64,
}

impl Disk {
    /// Waits until somebody waits for a sync.
    pub async fn requested(&self) {
        poll_fn(|cx| {
            let mut inner = self.lock();
            if inner.waiting.is_empty() {
                inner.flusher = Some(cx.waker().clone());
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Begins a sync for all who wait.
    pub fn begin(&self) -> Sync {
        let mut inner = self.lock();
        Sync {
            waiting: std::mem::take(&mut inner.waiting),
            upto: inner.settled + inner.journal.len() as u64,
        }
    }

    /// Makes what a sync reaches durable, and nothing else: nobody is told.
    pub fn settle(&self, sync: &Sync) {
        self.lock().settle(sync.upto);
    }

    /// Ends a sync. A failure is final: everybody who waits until the next start gets it.
    pub fn end(&self, sync: Sync, outcome: io::Result<()>) {
        let failed = {
            let mut inner = self.lock();
            if let Err(error) = outcome
                && inner.failed.is_none()
            {
                inner.failed = Some(Arc::new(error));
            }
            inner.failed.clone()
        };
        for done in sync.waiting {
            done(outcome_of(failed.as_ref()));
        }
    }

    /// The process ends, and what was not synced is lost but for the first of these writes: `keep` is
    /// told how many there are and says how many stay.
    pub fn crash(&self, keep: impl FnOnce(usize) -> usize) {
        let mut inner = self.lock();
        let kept = keep(inner.journal.len()) as u64;
        let upto = inner.settled + kept;
        inner.settle(upto);
        inner.settled += inner.journal.len() as u64;
        inner.journal.clear();
        inner.seen = inner.durable.clone();
        // They belong to a process that is gone.
        let waiting = std::mem::take(&mut inner.waiting);
        inner.flusher = None;
        drop(inner);
        drop(waiting);
    }

    /// Loses one write in the middle of what was not synced, which no disk does that keeps its order.
    pub fn tear(&self, at: usize) {
        self.lock().journal.remove(at);
    }

    /// Loses everything.
    pub fn wipe(&self) {
        self.crash(|_| 0);
        let mut inner = self.lock();
        inner.seen.clear();
        inner.durable.clear();
    }

    /// Whether there is no room for more.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// Whether a sync has failed since the store was opened.
    pub fn has_failed(&self) -> bool {
        self.lock().failed.is_some()
    }

    pub(crate) fn opened(&self) {
        self.lock().failed = None;
    }

    pub(crate) fn request(&self, done: Done) {
        let mut inner = self.lock();
        if let Some(failed) = &inner.failed {
            let outcome = outcome_of(Some(failed));
            drop(inner);
            return done(outcome);
        }
        inner.waiting.push(done);
        let flusher = inner.flusher.take();
        drop(inner);
        if let Some(flusher) = flusher {
            flusher.wake();
        }
    }

    pub(crate) fn tree(&self, name: &str) -> Tree {
        Tree {
            disk: self.clone(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        let inner = self.lock();
        let pairs = inner.seen.values().flatten();
        pairs
            .map(|(key, value)| (key.len() + value.len()) as u64)
            .sum()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome_of(failed: Option<&Arc<io::Error>>) -> io::Result<()> {
    match failed {
        None => Ok(()),
        Some(cause) => Err(io::Error::new(cause.kind(), Arc::clone(cause))),
    }
}

impl Inner {
    fn write(&mut self, write: Write) -> sled::Result<()> {
        if self.full {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        carry_out(&mut self.seen, write.clone());
        self.journal.push_back(write);
        Ok(())
    }

    fn settle(&mut self, upto: u64) {
        while self.settled < upto
            && let Some(write) = self.journal.pop_front()
        {
            carry_out(&mut self.durable, write);
            self.settled += 1;
        }
    }
}

/// One map of a disk.
#[derive(Clone)]
pub(crate) struct Tree {
    disk: Disk,
    name: String,
}

impl Tree {
    pub(crate) fn apply(&self, changes: Changes) -> sled::Result<()> {
        let pieces = changes
            .into_iter()
            .map(|(key, value)| (key, value.map(Arc::from)))
            .collect();
        self.disk.lock().write(Write {
            map: self.name.clone(),
            pieces,
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let inner = self.disk.lock();
        Some(inner.seen.get(&self.name)?.get(key)?.to_vec())
    }

    pub(crate) fn last(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let inner = self.disk.lock();
        let (key, value) = inner.seen.get(&self.name)?.last_key_value()?;
        Some((key.clone(), value.to_vec()))
    }

    pub(crate) fn range(&self, (next, end): (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Pairs {
        Pairs {
            tree: self.clone(),
            next,
            end,
        }
    }
}

/// The pairs of a range, looked up one after the other.
pub(crate) struct Pairs {
    tree: Tree,
    next: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl Iterator for Pairs {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        if is_empty(&self.next, &self.end) {
            return None;
        }
        let inner = self.tree.disk.lock();
        let bounds = (self.next.as_ref(), self.end.as_ref());
        let mut pairs = inner.seen.get(&self.tree.name)?.range::<Vec<u8>, _>(bounds);
        let (key, value) = pairs.next()?;
        let pair = (key.clone(), value.to_vec());
        self.next = Bound::Excluded(pair.0.clone());
        Some(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, CHUNK_BYTES, Store, Table};
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn put(table: &Table, key: u8, value: &[u8]) {
        let mut batch = Batch::default();
        batch.put([key], value);
        table.apply(batch).unwrap();
    }

    fn keys(table: &Table) -> Vec<u8> {
        let pairs = table.range::<Vec<u8>>(..);
        pairs.map(|pair| pair.unwrap().0[0]).collect()
    }

    fn sync(disk: &Disk) {
        let sync = disk.begin();
        disk.settle(&sync);
        disk.end(sync, Ok(()));
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let disk = Disk::default();
        let table = Store::in_memory(&disk).table("t").unwrap();
        put(&table, 1, b"a");
        sync(&disk);
        for key in 2..5 {
            put(&table, key, b"b");
        }
        assert_eq!(keys(&table), [1, 2, 3, 4]);
        disk.crash(|lost| {
            assert_eq!(lost, 3);
            1
        });
        assert_eq!(keys(&table), [1, 2]);
        disk.wipe();
        assert_eq!(keys(&table), []);
    }

    #[test]
    fn a_barrier_is_answered_by_the_sync_after_it_and_a_failure_is_final_until_the_next_start() {
        let disk = Disk::default();
        let store = Store::in_memory(&disk);
        let failures = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let failures = Arc::clone(&failures);
            store.barrier(move |outcome| {
                failures.fetch_add(usize::from(outcome.is_err()), Ordering::Relaxed);
            });
        };
        ask();
        let sync = disk.begin();
        ask();
        disk.end(sync, Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(failures.load(Ordering::Relaxed), 1);
        // The one that came meanwhile is answered by the next.
        let sync = disk.begin();
        disk.end(sync, Ok(()));
        ask();
        assert_eq!(failures.load(Ordering::Relaxed), 3);
        Store::in_memory(&disk).barrier(|outcome| outcome.unwrap());
        let sync = disk.begin();
        disk.end(sync, Ok(()));
    }

    #[test]
    fn a_full_disk_takes_nothing() {
        let disk = Disk::default();
        let table = Store::in_memory(&disk).table("t").unwrap();
        put(&table, 1, b"a");
        disk.set_full(true);
        let mut batch = Batch::default();
        batch.put([2], *b"b");
        assert!(table.apply(batch).is_err());
        assert_eq!(keys(&table), [1]);
    }

    #[test]
    fn tables_are_the_same_on_it_as_on_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let big = vec![7; 3 * CHUNK_BYTES + 1];
        let run = |store: Store| {
            let table = store.table("t").unwrap();
            for key in [5, 1, 3, 9] {
                put(&table, key, &big);
            }
            table.remove_range([3]..[6]).unwrap();
            put(&table, 4, b"small");
            let last = table.last().unwrap().unwrap();
            let none = table.range::<Vec<u8>>((Bound::Excluded(vec![4]), Bound::Excluded(vec![4])));
            assert_eq!(none.count(), 0);
            let between = table
                .range([2]..[9])
                .map(|pair| pair.unwrap().0)
                .collect::<Vec<_>>();
            (keys(&table), last, table.value(&[3]).unwrap(), between)
        };
        let on_disk = run(Store::open(dir.path()).unwrap());
        assert_eq!(run(Store::in_memory(&Disk::default())), on_disk);
        assert_eq!(on_disk.1, (vec![9], big.clone()));
    }
}
