//! What this node believes about the owners of slots. Everyone believes the highest epoch.

use muster_types::{Boot, Epoch, Instant, NodeId, SlotId};
use std::collections::BTreeMap;

/// An owner as it announced itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner {
    /// The owner's epoch.
    pub(crate) epoch: Epoch,
    /// The owning node.
    pub(crate) node: NodeId,
    /// Its process start.
    pub(crate) boot: Boot,
}

/// How an owner can be spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// It serves and its link is up.
    Serving,
    /// Its link is down since then; it may come back under the same epoch.
    Lost(Instant),
    /// It said that it stopped, then.
    Closed(Instant),
}

/// The highest owner of each slot that this node has heard of.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    owners: BTreeMap<SlotId, (Owner, Reach)>,
}

impl Slots {
    /// The owner that serves now, as far as known.
    pub(crate) fn serving(&self, slot: SlotId) -> Option<Owner> {
        match self.owners.get(&slot) {
            Some((owner, Reach::Serving)) => Some(*owner),
            Some((_, Reach::Lost(_) | Reach::Closed(_))) | None => None,
        }
    }

    /// Takes an announcement. True when this owner is to be told everything that matters: it is
    /// new, or it says again that it serves, because it lost sight of this node.
    pub(crate) fn opened(&mut self, slot: SlotId, owner: Owner) -> bool {
        let believed = match self.owners.get(&slot) {
            None => true,
            Some((known, _)) if known.epoch < owner.epoch => true,
            Some((known, Reach::Serving | Reach::Lost(_))) => *known == owner,
            Some((_, Reach::Closed(_))) => false,
        };
        if believed {
            self.owners.insert(slot, (owner, Reach::Serving));
        }
        believed
    }

    /// The owner of `epoch` stopped by itself. True when it was the one believed in.
    pub(crate) fn closed(&mut self, slot: SlotId, epoch: Epoch, now: Instant) -> bool {
        match self.owners.get_mut(&slot) {
            Some((owner, reach)) if owner.epoch == epoch => {
                let was_serving = *reach == Reach::Serving;
                *reach = Reach::Closed(reach.away_since().unwrap_or(now));
                was_serving
            }
            Some(_) | None => false,
        }
    }

    /// The link to `node` is down: the slots that lose their owner by it.
    pub(crate) fn lost(&mut self, node: NodeId, now: Instant) -> Vec<SlotId> {
        let mut lost = Vec::new();
        for (slot, (owner, reach)) in &mut self.owners {
            if owner.node == node && *reach == Reach::Serving {
                *reach = Reach::Lost(now);
                lost.push(*slot);
            }
        }
        lost
    }

    /// The link to `node` is up, for the first time or again: the slots it owns, if it is the process
    /// that opened them. Whatever was said to it before may be lost.
    pub(crate) fn regained(&mut self, node: NodeId, boot: Boot) -> Vec<SlotId> {
        let mut regained = Vec::new();
        for (slot, (owner, reach)) in &mut self.owners {
            let open = !matches!(reach, Reach::Closed(_));
            if owner.node == node && owner.boot == boot && open {
                *reach = Reach::Serving;
                regained.push(*slot);
            }
        }
        regained
    }

    /// Since when the slot has no owner; `None` while it has one, and before the first.
    pub(crate) fn away_since(&self, slot: SlotId) -> Option<Instant> {
        self.owners
            .get(&slot)
            .and_then(|(_, reach)| reach.away_since())
    }

    /// Whether something that carries `epoch` comes from an owner that was replaced.
    pub(crate) fn is_stale(&self, slot: SlotId, epoch: Epoch) -> bool {
        self.owners
            .get(&slot)
            .is_some_and(|(owner, _)| epoch < owner.epoch)
    }
}

impl Reach {
    const fn away_since(self) -> Option<Instant> {
        match self {
            Self::Serving => None,
            Self::Lost(since) | Self::Closed(since) => Some(since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_types::LogIndex;

    const SLOT: SlotId = SlotId(1);
    const T: Instant = Instant::from_nanos(1);

    fn owner(epoch: u64, node: u16, boot: u64) -> Owner {
        Owner {
            epoch: Epoch::opened_at(LogIndex(epoch)),
            node: NodeId(node),
            boot: Boot(boot),
        }
    }

    #[test]
    fn the_highest_epoch_is_believed() {
        let mut slots = Slots::default();
        assert!(slots.opened(SLOT, owner(5, 1, 1)));
        assert!(!slots.opened(SLOT, owner(4, 2, 1)), "older");
        assert!(slots.opened(SLOT, owner(5, 1, 1)), "said twice");
        assert!(
            !slots.opened(SLOT, owner(5, 2, 1)),
            "an epoch has one owner"
        );
        assert!(slots.opened(SLOT, owner(9, 2, 1)));
        assert_eq!(slots.serving(SLOT), Some(owner(9, 2, 1)));
        assert!(slots.is_stale(SLOT, owner(5, 1, 1).epoch));
        assert!(
            !slots.closed(SLOT, owner(5, 1, 1).epoch, T),
            "an old owner's farewell"
        );
    }

    #[test]
    fn a_closed_epoch_never_comes_back() {
        let mut slots = Slots::default();
        slots.opened(SLOT, owner(5, 1, 1));
        assert!(slots.closed(SLOT, owner(5, 1, 1).epoch, T));
        assert!(!slots.opened(SLOT, owner(5, 1, 1)));
        assert_eq!(slots.serving(SLOT), None);
        assert_eq!(slots.away_since(SLOT), Some(T));
    }

    #[test]
    fn a_lost_owner_comes_back_only_as_the_same_process() {
        let mut slots = Slots::default();
        slots.opened(SLOT, owner(5, 1, 1));
        assert_eq!(slots.lost(NodeId(1), T), [SLOT]);
        assert_eq!(slots.regained(NodeId(1), Boot(2)), []);
        assert_eq!(slots.serving(SLOT), None);
        assert_eq!(slots.regained(NodeId(1), Boot(1)), [SLOT]);
        assert_eq!(slots.serving(SLOT), Some(owner(5, 1, 1)));
    }
}
