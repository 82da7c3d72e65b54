//! The end of a log in memory. What is sent and applied was appended a moment ago: so nobody who waits for the next
//! beat has to wait for the disk before.

use crate::types::Entry;
use openraft::entry::RaftEntry as _;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that are kept of each log: more than what is written to a busy one while its disk, or that of another
/// node, stands still for a second.
const KEPT_BYTES: usize = 16 << 20;

/// Entries that follow on one another, up to the last one of the log.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
}

impl Tail {
    /// Takes an entry that was appended, with its size.
    pub(crate) fn push(&mut self, bytes: usize, entry: Entry) {
        if self.end().is_some_and(|end| end != entry.log_id().index) {
            self.clear();
        }
        self.entries.push_back((bytes, entry));
        self.bytes += bytes;
        while self.bytes > KEPT_BYTES {
            self.pop_front();
        }
    }

    /// The entries from `index` on are there no more.
    pub(crate) fn cut(&mut self, index: u64) {
        while self.end().is_some_and(|end| end > index) {
            if let Some((bytes, _)) = self.entries.pop_back() {
                self.bytes -= bytes;
            }
        }
    }

    /// The entries up to `index` are there no more.
    pub(crate) fn purge(&mut self, index: u64) {
        while self.begin().is_some_and(|begin| begin <= index) {
            self.pop_front();
        }
    }

    /// The entries of a range, the first of them and as many more as have `bytes` in all; `None` if not all
    /// of the range is here.
    pub(crate) fn read(&self, range: Range<u64>, bytes: usize) -> Option<Vec<Entry>> {
        let begin = self.begin()?;
        if range.start < begin || range.end > self.end()? {
            return None;
        }
        let skipped = usize::try_from(range.start - begin).ok()?;
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).ok()?;
        let mut read = 0;
        let fits = |(at, (size, _)): &(usize, &(usize, Entry))| {
            read += size;
            *at == 0 || read <= bytes
        };
        let entries = self.entries.iter().skip(skipped).take(wanted);
        let entries = entries.enumerate().take_while(fits);
        Some(entries.map(|(_, (_, entry))| entry.clone()).collect())
    }

    fn begin(&self) -> Option<u64> {
        Some(self.entries.front()?.1.log_id().index)
    }

    fn end(&self) -> Option<u64> {
        Some(self.entries.back()?.1.log_id().index + 1)
    }

    fn pop_front(&mut self) {
        if let Some((bytes, _)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{LogId, Types};
    use openraft::alias::LeaderIdOf;
    use openraft::vote::RaftLeaderId as _;

    fn entry(index: u64) -> Entry {
        let leader = LeaderIdOf::<Types>::new(2, 1);
        Entry {
            log_id: LogId::new(leader.to_committed(), index),
            payload: openraft::EntryPayload::Blank,
        }
    }

    fn read(tail: &Tail, range: Range<u64>, bytes: usize) -> Option<Vec<u64>> {
        let entries = tail.read(range, bytes)?;
        Some(entries.iter().map(|entry| entry.log_id.index).collect())
    }

    #[test]
    fn a_range_is_read_whole_or_as_far_as_it_may_be() {
        let mut tail = Tail::default();
        assert_eq!(read(&tail, 0..0, 100), None);
        (5..10).for_each(|index| tail.push(10, entry(index)));
        for (range, bytes, expected) in [
            (5..10, 100, Some(vec![5, 6, 7, 8, 9])),
            (7..9, 100, Some(vec![7, 8])),
            (7..9, 10, Some(vec![7])),
            (7..9, 1, Some(vec![7])),
            (7..7, 100, Some(vec![])),
            (4..9, 100, None),
            (5..11, 100, None),
        ] {
            assert_eq!(read(&tail, range.clone(), bytes), expected, "{range:?}");
        }
        tail.cut(8);
        tail.purge(5);
        assert_eq!(read(&tail, 6..8, 100), Some(vec![6, 7]));
        assert_eq!(read(&tail, 6..9, 100), None);
        assert_eq!(read(&tail, 5..8, 100), None);
        // Behind a snapshot the log begins anew.
        tail.push(10, entry(20));
        assert_eq!(read(&tail, 20..21, 100), Some(vec![20]));
        assert_eq!(read(&tail, 6..8, 100), None);
        assert_eq!(tail.bytes, 10);
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let mut tail = Tail::default();
        (0..100).for_each(|index| tail.push(KEPT_BYTES / 10, entry(index)));
        assert_eq!(tail.begin(), Some(90));
        assert!(tail.bytes <= KEPT_BYTES);
        tail.push(2 * KEPT_BYTES, entry(100));
        assert_eq!((tail.begin(), tail.bytes), (None, 0));
        tail.push(1, entry(101));
        assert_eq!(read(&tail, 101..102, 1), Some(vec![101]));
    }
}
