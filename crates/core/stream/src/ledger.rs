//! A bounded book of instants: who is written into it beyond its size pushes the earliest out.

use muster_types::Instant;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Ledger<K> {
    capacity: usize,
    entries: BTreeMap<K, Instant>,
    /// The same entries, the earliest first.
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Ledger<K> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(crate) fn find(&self, key: &K) -> Option<Instant> {
        self.entries.get(key).copied()
    }

    pub(crate) fn put(&mut self, key: K, at: Instant) {
        self.remove(&key);
        self.entries.insert(key.clone(), at);
        self.order.insert((at, key));
        if self.entries.len() > self.capacity
            && let Some((_, earliest)) = self.order.pop_first()
        {
            self.entries.remove(&earliest);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((key, at)) = self.entries.remove_entry(key) {
            self.order.remove(&(at, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_pushed_out() {
        let mut ledger = Ledger::new(2);
        for (key, at) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            ledger.put(key, Instant::from_nanos(at));
        }
        assert_eq!(ledger.find(&"a"), Some(Instant::from_nanos(3)));
        assert_eq!(ledger.find(&"b"), None);
        ledger.remove(&"a");
        assert_eq!((ledger.entries.len(), ledger.order.len()), (1, 1));
    }
}
