//! The replicas of one node, by slot. They are few, and all of them are looked at all the time.

use super::part::Part;
use muster_types::SlotId;

/// A short sorted list.
#[derive(Default)]
pub(super) struct Parts(Vec<(SlotId, Part)>);

impl Parts {
    pub(super) fn get(&self, slot: SlotId) -> Option<&Part> {
        let mut parts = self.0.iter();
        parts.find(|(at, _)| *at == slot).map(|(_, part)| part)
    }

    pub(super) fn get_mut(&mut self, slot: SlotId) -> Option<&mut Part> {
        let mut parts = self.0.iter_mut();
        parts.find(|(at, _)| *at == slot).map(|(_, part)| part)
    }

    pub(super) fn insert(&mut self, slot: SlotId, part: Part) {
        match self.0.binary_search_by_key(&slot, |(at, _)| *at) {
            Ok(at) => self.0[at].1 = part,
            Err(at) => self.0.insert(at, (slot, part)),
        }
    }

    pub(super) fn remove(&mut self, slot: SlotId) -> Option<Part> {
        let at = self.0.iter().position(|(at, _)| *at == slot)?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, &Part)> {
        self.0.iter().map(|(slot, part)| (*slot, part))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SlotId, &mut Part)> {
        self.0.iter_mut().map(|(slot, part)| (*slot, part))
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = SlotId> {
        self.0.iter().map(|(slot, _)| *slot)
    }
}
