//! Epochs only grow, and each belongs to one owner.

use super::Violation;
use muster_types::{Epoch, NodeId, SlotId};
use std::collections::BTreeMap;

/// The owners seen so far.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    highest: BTreeMap<SlotId, (Epoch, NodeId)>,
}

impl Epochs {
    /// Looks at one who decides for `slot`.
    ///
    /// # Errors
    /// When its epoch is older than one seen before, or another's.
    pub(crate) fn check(
        &mut self,
        slot: SlotId,
        node: NodeId,
        epoch: Epoch,
    ) -> Result<(), Violation> {
        let (highest, last) = self.highest.entry(slot).or_insert((epoch, node));
        if epoch < *highest || (epoch == *highest && node != *last) {
            let seen = format!("{slot} is owned by {node} in {epoch} after {last} in {highest}");
            return Err(Violation::new("epochs only grow", seen));
        }
        (*highest, *last) = (epoch, node);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_types::LogIndex;

    #[test]
    fn old_epochs_are_seen() {
        let epoch = |at| Epoch::opened_at(LogIndex(at));
        let mut epochs = Epochs::default();
        assert!(epochs.check(SlotId(1), NodeId(1), epoch(5)).is_ok());
        assert!(epochs.check(SlotId(1), NodeId(2), epoch(7)).is_ok());
        assert!(epochs.check(SlotId(1), NodeId(1), epoch(5)).is_err());
        assert!(epochs.check(SlotId(1), NodeId(1), epoch(7)).is_err());
        assert!(epochs.check(SlotId(2), NodeId(1), epoch(3)).is_ok());
    }
}
