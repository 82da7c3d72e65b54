//! At most one owner of a slot at any instant, and epochs only grow.

use super::Violation;
use muster_types::{Epoch, NodeId, SlotId};
use std::collections::BTreeMap;

/// The owners seen so far.
#[derive(Debug, Default)]
pub(crate) struct OneOwner {
    highest: BTreeMap<SlotId, (Epoch, NodeId)>,
}

impl OneOwner {
    /// Looks at everybody who decides for `slot` at one instant.
    ///
    /// # Errors
    /// When there are two, or one with an older epoch than was seen before.
    pub(crate) fn check(
        &mut self,
        slot: SlotId,
        owners: &[(NodeId, Epoch)],
    ) -> Result<(), Violation> {
        if owners.len() > 1 {
            let seen = format!("{slot} has owners {owners:?}");
            return Err(Violation::new("at most one owner of a slot", seen));
        }
        let Some((node, epoch)) = owners.first().copied() else {
            return Ok(());
        };
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
    fn two_owners_and_old_epochs_are_seen() {
        let owner = |node, epoch| (NodeId(node), Epoch::opened_at(LogIndex(epoch)));
        let mut one = OneOwner::default();
        assert!(one.check(SlotId(1), &[owner(1, 5)]).is_ok());
        assert!(one.check(SlotId(1), &[]).is_ok());
        assert!(one.check(SlotId(1), &[owner(2, 7)]).is_ok());
        assert!(one.check(SlotId(1), &[owner(1, 5)]).is_err());
        assert!(one.check(SlotId(1), &[owner(1, 7)]).is_err());
        assert!(one.check(SlotId(1), &[owner(2, 7), owner(1, 5)]).is_err());
    }
}
