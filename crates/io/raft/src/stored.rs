//! The records of a replicated state, as the store has them.
//!
//! Two tables, of which the one whose position is further counts. A snapshot is written into the other, a few
//! records at a time, because the engine lets nobody read while it takes a batch; its position comes last, and with
//! that it counts. So after a crash there is the state before or that of the snapshot, never some of both.

use crate::rpc::{GroupId, decode, encode};
use crate::runtime;
use crate::types::{LogId, Membership};
use muster_store::{Batch, Store, Table};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use tokio::sync::Mutex;

/// All stored records of a state, in key order.
pub type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// The applied position has the one key that no record can have.
const POSITION: &[u8] = &[];

/// Records that are written, or removed, in one batch.
const BATCH: usize = 256;
/// Bytes after which a batch takes no more records.
const BATCH_BYTES: usize = 128 << 10;
/// Batches before the disk is waited for: what others write waits behind them.
const BATCHES: usize = 16;

/// How far the stored state has come; kept in the same table and batch as the state itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: Membership,
}

/// The stored state of a group. Clones see the same until one of them is [replaced](Self::replace).
#[derive(Clone)]
pub(crate) struct Stored {
    store: Store,
    counts: Table,
    other: Table,
    /// Held by whoever changes the other table.
    changing: Arc<Mutex<()>>,
}

impl Stored {
    /// The state of a group, and how far it has come.
    pub(crate) fn open(store: &Store, group: GroupId) -> io::Result<(Self, Position)> {
        let one = store.table(&format!("state.{}", group.0))?;
        let two = store.table(&format!("state.{}.2", group.0))?;
        let (first, second) = (position(&one)?, position(&two)?);
        let (counts, other, position) = if first.applied >= second.applied {
            (one, two, first)
        } else {
            (two, one, second)
        };
        let store = store.clone();
        let stored = Self {
            store,
            counts,
            other,
            changing: Arc::default(),
        };
        Ok((stored, position))
    }

    /// The records of the state itself: everything but the position.
    pub(crate) fn records(&self) -> io::Result<Records> {
        self.counts.range([0u8]..).map(|pair| Ok(pair?)).collect()
    }

    /// Makes changes and takes note that the state has come so far, all or nothing.
    pub(crate) fn apply(&self, mut changes: Batch, position: &Position) -> io::Result<()> {
        changes.put(POSITION, encode(position));
        Ok(self.counts.apply(changes)?)
    }

    /// Puts other records in the place of all there are, durably, and returns them.
    pub(crate) async fn replace(
        &mut self,
        mut records: Records,
        position: &Position,
    ) -> io::Result<Records> {
        let changing = Arc::clone(&self.changing);
        let _changing = changing.lock().await;
        // What was there before may not be gone yet, or a replacement did not get as far as its position.
        empty(&self.other, &self.store).await?;
        let mut written = 0;
        while written < records.len() {
            let other = self.other.clone();
            let writing = runtime::aside(move || {
                let to = write_some(&other, records.get(written..).unwrap_or_default())?;
                Ok::<_, io::Error>((records, written + to))
            });
            (records, written) = writing.await?;
            synced(&self.store).await?;
        }
        let mut last = Batch::default();
        last.put(POSITION, encode(position));
        self.other.apply(last)?;
        synced(&self.store).await?;
        std::mem::swap(&mut self.counts, &mut self.other);
        Ok(records)
    }

    /// Removes what a replacement has left, the state before it, or itself if it was not finished: while the group goes on.
    pub(crate) async fn empty_other(&self) {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let (other, store) = (self.other.clone(), self.store.clone());
        runtime::spawn(async move {
            let _changing = changing;
            if let Err(error) = empty(&other, &store).await {
                // It is tried again before the table is used. A store that has failed ends the node elsewhere.
                tracing::warn!(%error, "what a snapshot has replaced is not removed");
            }
        });
    }
}

/// Removes all records of a table, a few at a time.
async fn empty(table: &Table, store: &Store) -> io::Result<()> {
    loop {
        let table = table.clone();
        // The position has the first key, so it is gone with the first record.
        let removing = runtime::aside(move || {
            let mut more = true;
            for _ in 0..BATCHES {
                more = more && table.remove_some::<&[u8]>(.., BATCH)?;
            }
            Ok::<_, io::Error>(more)
        });
        if !removing.await? {
            return Ok(());
        }
        synced(store).await?;
    }
}

/// Waits until all that was written to the store before is durable.
pub(crate) async fn synced(store: &Store) -> io::Result<()> {
    let (tx, rx) = tokio::sync::oneshot::channel();
    store.barrier(move |result| {
        // Nobody waits when the group is being shut down.
        let _ = tx.send(result);
    });
    rx.await.map_err(io::Error::other)?
}

fn position(table: &Table) -> io::Result<Position> {
    match table.value(POSITION)? {
        Some(bytes) => decode(&bytes).map_err(|_| table.unreadable().into()),
        None => Ok(Position::default()),
    }
}

/// Writes the first of these records, as many as may wait for the disk; how many it were.
fn write_some(table: &Table, records: &[(Vec<u8>, Vec<u8>)]) -> io::Result<usize> {
    let mut left = records.iter();
    let mut written = 0;
    for _ in 0..BATCHES {
        let mut batch = Batch::default();
        let (mut taken, mut bytes) = (0, 0);
        while taken < BATCH
            && bytes < BATCH_BYTES
            && let Some((key, value)) = left.next()
        {
            taken += 1;
            bytes += key.len() + value.len();
            batch.put(key.as_slice(), value.as_slice());
        }
        if taken == 0 {
            break;
        }
        table.apply(batch)?;
        written += taken;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use muster_store::Disk;
    use openraft::alias::LeaderIdOf;
    use openraft::vote::RaftLeaderId as _;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Waker;
    use std::time::Duration;

    /// Nothing is done aside, so that nothing happens between two syncs but what is awaited.
    struct Alone;

    impl runtime::World for Alone {
        fn spawn(&self, _: BoxFuture<'static, ()>) {
            unreachable!("nothing is started")
        }
        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
        fn boottime(&self) -> Duration {
            Duration::ZERO
        }
        fn wake(&self, _: Duration, _: Waker) -> u64 {
            unreachable!("nothing waits for a clock")
        }
        fn forget(&self, _: u64) {}
        fn chance(&self) -> u64 {
            0
        }
    }

    fn at(index: u64) -> Position {
        let leader = LeaderIdOf::<crate::types::Types>::new(2, 1);
        Position {
            applied: Some(LogId::new(leader.to_committed(), index)),
            membership: Membership::default(),
        }
    }

    /// So many records that say who wrote them.
    fn of(who: u8, records: u32) -> Records {
        let key = |n: u32| n.to_be_bytes().to_vec();
        (0..records).map(|n| (key(n), vec![who; 40])).collect()
    }

    fn read(disk: &Disk) -> (Option<u64>, Records) {
        let (stored, position) = Stored::open(&Store::in_memory(disk), GroupId(1)).unwrap();
        (
            position.applied.map(|at| at.index),
            stored.records().unwrap(),
        )
    }

    /// Replaces the state on a disk that makes so many syncs and then crashes, keeping of the writes
    /// since the last one those that `keep` says; whether it was finished before.
    fn crashed(disk: &Disk, records: Records, to: u64, syncs: usize, keep: usize) -> bool {
        let (mut stored, _) = Stored::open(&Store::in_memory(disk), GroupId(1)).unwrap();
        let position = at(to);
        let finished = {
            let mut replacing = pin!(async {
                stored.replace(records, &position).await?;
                empty(&stored.other, &stored.store).await
            });
            let mut outcome = None;
            for _ in 0..syncs {
                outcome = replacing.as_mut().now_or_never();
                if outcome.is_some() {
                    break;
                }
                let sync = disk.begin();
                disk.settle(&sync);
                disk.end(sync, Ok(()));
            }
            outcome.or_else(|| replacing.as_mut().now_or_never())
        };
        disk.crash(|writes| keep.min(writes));
        finished.map(Result::unwrap).is_some()
    }

    #[test]
    fn a_crash_while_a_snapshot_is_written_leaves_all_of_it_or_nothing() {
        let _world = runtime::enter(Rc::new(Alone));
        let (before, after) = (of(1, 5_000), of(2, 6_000));
        let mut ends = [0, 0];
        for syncs in 0..9 {
            for keep in [0, 1, 3, usize::MAX] {
                let disk = Disk::default();
                assert!(crashed(&disk, before.clone(), 7, 9, usize::MAX));
                let finished = crashed(&disk, after.clone(), 9, syncs, keep);
                let found = read(&disk);
                let whole = [(Some(7), before.clone()), (Some(9), after.clone())];
                let which = whole.iter().position(|whole| *whole == found);
                let which = which.expect("the state before or the one of the snapshot");
                assert!(which == 1 || !finished, "{syncs} {keep}");
                ends[which] += 1;
                // Whatever was left, the next one is whole.
                assert!(crashed(&disk, of(3, 3_000), 11, 20, 0));
                assert_eq!(read(&disk), (Some(11), of(3, 3_000)));
            }
        }
        assert!(ends.iter().all(|times| *times > 5), "{ends:?}");
    }
}
