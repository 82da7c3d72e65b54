//! What one client wrote and what of it was acknowledged.

use std::collections::BTreeMap;

/// Roster items of one client, written again and again with rising numbers. One write is under way at a time.
pub(super) struct Ledger {
    items: Vec<Item>,
    last: u64,
    acknowledged: u64,
}

/// One item: the numbers last tried and last acknowledged, 0 for none.
#[derive(Clone, Copy, Default)]
struct Item {
    tried: u64,
    acknowledged: u64,
}

impl Ledger {
    /// With this many items.
    pub(super) fn new(items: usize) -> Self {
        Self {
            items: vec![Item::default(); items.max(1)],
            last: 0,
            acknowledged: 0,
        }
    }

    /// Begins the next write: which item gets which number.
    pub(super) fn next_write(&mut self) -> (usize, u64) {
        self.last += 1;
        let item = self.item_of(self.last);
        self.items[item].tried = self.last;
        (item, self.last)
    }

    /// The last write was acknowledged.
    pub(super) fn acknowledge(&mut self) {
        let item = self.item_of(self.last);
        self.items[item].acknowledged = self.last;
        self.acknowledged += 1;
    }

    /// How many writes were acknowledged.
    pub(super) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many items do not hold what was acknowledged, or a later try. `found` has the number that each item holds.
    pub(super) fn missing(&self, found: &BTreeMap<usize, u64>) -> u64 {
        let items = self.items.iter().enumerate();
        items
            .filter(|(_, item)| item.acknowledged > 0)
            .filter(|(at, item)| {
                let held = found.get(at).copied().unwrap_or(0);
                !(item.acknowledged..=item.tried).contains(&held)
            })
            .count() as u64
    }

    fn item_of(&self, write: u64) -> usize {
        (write % self.items.len() as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_holds_the_last_acknowledged_write_or_a_later_try() {
        // Two items; writes 1 to 4 are acknowledged, 5 (item 1) is not.
        let mut ledger = Ledger::new(2);
        for _ in 0..4 {
            ledger.next_write();
            ledger.acknowledge();
        }
        assert_eq!(ledger.next_write(), (1, 5));
        assert_eq!(ledger.acknowledged(), 4);
        for (found, missing) in [
            (&[(0, 4), (1, 3)][..], 0),
            (&[(0, 4), (1, 5)], 0),
            (&[(0, 2), (1, 3)], 1),
            (&[(0, 4), (1, 1)], 1),
            (&[(0, 6), (1, 3)], 1),
            (&[(1, 3)], 1),
            (&[], 2),
        ] {
            let found = found.iter().copied().collect();
            assert_eq!(ledger.missing(&found), missing, "{found:?}");
        }
    }

    #[test]
    fn what_was_never_acknowledged_cannot_be_missing() {
        let mut ledger = Ledger::new(3);
        ledger.next_write();
        assert_eq!(ledger.missing(&BTreeMap::new()), 0);
    }
}
