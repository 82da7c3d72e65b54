//! A group's log and vote in the store.

use crate::rpc::{GroupId, decode, encode};
use crate::runtime;
use crate::stored::synced;
use crate::tail::Tail;
use crate::types::{Entry, LogId, Types, Vote};
use muster_store::{Batch, REPLACE, Store, Table};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex, PoisonError};

const VOTE: &[u8] = b"vote";
const PURGED: &[u8] = b"purged";

/// Entries by index (u64, big endian), and beside them the vote and where the log was cut off.
/// Cheap to clone: the clones that openraft reads with see every append at once.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    store: Store,
    entries: Table,
    marks: Table,
    durable: Arc<Mutex<Durable>>,
    tail: Arc<Mutex<Tail>>,
}

/// What of the log is on the disk, as far as is known.
#[derive(Debug, Default)]
struct Durable {
    /// The last entry of the last append that was synced.
    last: Option<LogId>,
    /// Counts how often the log was cut: what an earlier append wrote may not be there any more.
    cuts: u64,
    vote: Option<Vote>,
}

impl LogStore {
    pub(crate) fn open(store: &Store, group: GroupId) -> io::Result<Self> {
        Ok(Self {
            store: store.clone(),
            entries: store.table(&format!("raft.{}.log", group.0))?,
            marks: store.table(&format!("raft.{}.marks", group.0))?,
            durable: Arc::default(),
            tail: Arc::default(),
        })
    }

    /// Whether this vote and, if there is one, this entry are on the disk, as far as is known without waiting.
    /// Entries of one leader follow on one another, so a later one of the same tells; of an entry of an
    /// earlier one nothing is known.
    pub(crate) fn is_durable(&self, vote: &Vote, entry: Option<&LogId>) -> bool {
        with(&self.durable, |durable| {
            let reaches = |entry: &LogId| {
                let last = durable.last.as_ref();
                last.is_some_and(|last| {
                    last.committed_leader_id() == entry.committed_leader_id()
                        && last.index() >= entry.index()
                })
            };
            durable.vote.as_ref() == Some(vote) && entry.is_none_or(reaches)
        })
    }

    /// Notes, once all that was written until now is on the disk, that the log is up to `last`.
    fn note_durable(
        &self,
        last: Option<LogId>,
        then: impl FnOnce(io::Result<()>) + Send + 'static,
    ) {
        let durable = Arc::clone(&self.durable);
        let cuts = with(&durable, |durable| durable.cuts);
        self.store.barrier(move |result| {
            if result.is_ok() {
                with(&durable, |durable| {
                    if durable.cuts == cuts {
                        durable.last = durable.last.max(last);
                    }
                });
            }
            then(result);
        });
    }

    /// Refuses a state that lacks entries which are in the log no more: openraft would leave them out and say nothing.
    pub(crate) fn follows_on(&self, applied: Option<&LogId>) -> io::Result<()> {
        let purged: Option<LogId> = self.mark(PURGED)?;
        if purged.as_ref() > applied {
            return Err(io::Error::other(format!(
                "the stored state lacks entries that are not in the log any more: {REPLACE}"
            )));
        }
        Ok(())
    }

    /// Bytes of the entries from an index on.
    pub(crate) fn bytes(&self, from: u64) -> io::Result<u64> {
        let mut bytes = 0;
        for pair in self.entries.range(from.to_be_bytes()..) {
            bytes += u64::try_from(pair?.1.len()).unwrap_or(u64::MAX);
        }
        Ok(bytes)
    }

    fn mark<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> io::Result<Option<T>> {
        self.marks
            .value(key)?
            .map(|bytes| read(&self.marks, &bytes))
            .transpose()
    }

    fn set_mark<T: serde::Serialize>(&self, key: &[u8], value: &T) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(key, encode(value));
        Ok(self.marks.apply(batch)?)
    }
}

fn with<V, T>(value: &Mutex<V>, act: impl FnOnce(&mut V) -> T) -> T {
    // Plain values: nobody leaves them half changed.
    act(&mut value.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Decodes a value of `table`, or names the table.
fn read<T: serde::de::DeserializeOwned>(table: &Table, bytes: &[u8]) -> io::Result<T> {
    decode(bytes).map_err(|_| table.unreadable().into())
}

/// The indices of a range that has an end.
fn indices(range: &impl RangeBounds<u64>) -> Option<Range<u64>> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.checked_add(1)?,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => return None,
    };
    Some(start..end)
}

fn bound(bound: Bound<&u64>) -> Bound<[u8; 8]> {
    bound.map(|index| index.to_be_bytes())
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        if let Some(wanted) = indices(&range)
            && let Some(recent) = with(&self.tail, |tail| tail.read(wanted, usize::MAX))
        {
            return Ok(recent);
        }
        let entries = self.entries.clone();
        let range = (bound(range.start_bound()), bound(range.end_bound()));
        let reading = move || {
            let pairs = entries.range(range);
            pairs.map(|pair| read(&entries, &pair?.1)).collect()
        };
        runtime::aside(reading).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        let vote = self.mark(VOTE)?;
        with(&self.durable, |durable| durable.vote = vote);
        Ok(vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        // What one append request may carry: few enough that a beat behind it is not late.
        const BYTES: usize = 256 << 10;
        if let Some(recent) = with(&self.tail, |tail| tail.read(start..end, BYTES)) {
            return Ok(recent);
        }
        let entries = self.entries.clone();
        let reading = move || {
            let mut out = Vec::new();
            let mut bytes = 0;
            for pair in entries.range(start.to_be_bytes()..end.to_be_bytes()) {
                let value = pair?.1;
                bytes += value.len();
                if bytes > BYTES && !out.is_empty() {
                    break;
                }
                out.push(read(&entries, &value)?);
            }
            Ok(out)
        };
        runtime::aside(reading).await
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let purged: Option<LogId> = self.mark(PURGED)?;
        let last = match self.entries.last()? {
            Some((_, bytes)) => Some(read::<Entry>(&self.entries, &bytes)?.log_id()),
            None => None,
        };
        // A crash within `purge` leaves entries below its mark; the next one removes them.
        let is_above = |last: &LogId| purged.as_ref().is_none_or(|mark| last.index > mark.index);
        let last = last.filter(is_above).or(purged);
        self.note_durable(last, drop);
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.set_mark(VOTE, vote)?;
        synced(&self.store).await?;
        with(&self.durable, |durable| durable.vote = Some(*vote));
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut batch = Batch::default();
        let mut appended = Vec::new();
        for entry in entries {
            let bytes = encode(&entry);
            let size = bytes.len();
            batch.put(entry.log_id().index.to_be_bytes(), bytes);
            appended.push((size, entry));
        }
        let last = appended.last().map(|(_, entry)| entry.log_id());
        self.entries.apply(batch)?;
        with(&self.tail, |tail| {
            for (size, entry) in appended {
                tail.push(size, entry);
            }
        });
        self.note_durable(last, |result| callback.io_completed(result));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        with(&self.durable, |durable| {
            durable.cuts += 1;
            durable.last = durable.last.min(last);
        });
        with(&self.tail, |tail| tail.cut(from));
        Ok(self.entries.remove_range(from.to_be_bytes()..)?)
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        // The mark first: a log that begins after a missing mark would look like a hole.
        self.set_mark(PURGED, &upto)?;
        with(&self.tail, |tail| tail.purge(upto.index));
        self.entries
            .remove_range_later(..=upto.index.to_be_bytes())?;
        // All that a snapshot replaces was durable before.
        self.note_durable(Some(upto), drop);
        Ok(())
    }
}
