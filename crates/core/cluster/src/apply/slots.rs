//! Slots: voters, owners, and who should own them.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{ControlEvent, ControlOutcome, HaReason, Refusal, Slot};
use muster_types::{Epoch, NodeId, SlotId};
use std::time::Duration;

impl Draft {
    pub(super) fn slot_voters(&mut self, id: SlotId, voters: Vec<NodeId>) -> Applied {
        let mut slot = self.slot(id)?;
        for voter in &voters {
            self.member(*voter)?;
        }
        if slot.voters != voters {
            slot.voters = voters;
            self.put_slot(slot);
            self.events.push(ControlEvent::SlotVotersChanged(id));
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn slot_owned(
        &mut self,
        id: SlotId,
        owner: (NodeId, Epoch),
        gap: Option<Duration>,
    ) -> Applied {
        let mut slot = self.slot(id)?;
        let (node, epoch) = owner;
        self.member(node)?;
        match slot.owner {
            Some(known) if known == owner => return Ok(ControlOutcome::Done),
            Some((_, known)) if known >= epoch => return Err(Refusal::StaleOwner { slot: id }),
            Some(_) | None => {}
        }
        slot.owner = Some(owner);
        self.put_slot(slot);
        self.events.push(ControlEvent::SlotOwned {
            slot: id,
            node,
            epoch,
            gap,
        });
        Ok(ControlOutcome::Done)
    }

    pub(super) fn slot_desire(&mut self, id: SlotId, node: NodeId, reason: HaReason) -> Applied {
        let mut slot = self.slot(id)?;
        let group = self.group(slot.group)?;
        if !group.nodes.contains(&node) {
            return Err(Refusal::NotInGroup { node, slot: id });
        }
        if !group.ha && node != slot.home {
            return Err(Refusal::HaOff { group: group.name });
        }
        // By plan nobody becomes backup whose own users are away. After a failure the survivor
        // takes both slots, in whatever order they come to it.
        let backs_up = node != slot.home && reason == HaReason::AdminRequest;
        if backs_up
            && self
                .state
                .slot_of_home(node)
                .is_some_and(Slot::is_failed_over)
        {
            return Err(Refusal::BackupIsFailedOver { node });
        }
        if slot.desired != node {
            slot.desired = node;
            self.put_slot(slot);
            self.events.push(ControlEvent::SlotDesired {
                slot: id,
                node,
                reason,
            });
        }
        Ok(ControlOutcome::Done)
    }

    fn slot(&self, id: SlotId) -> Result<Slot, Refusal> {
        self.state
            .slot(id)
            .cloned()
            .ok_or(Refusal::NoSuchSlot { slot: id })
    }

    pub(super) fn put_slot(&mut self, slot: Slot) {
        self.writes
            .push(Table::Slot.put(&slot.id.0.to_be_bytes(), &slot));
        self.state.slots.insert(slot.id, slot);
    }

    pub(super) fn remove_slot(&mut self, id: SlotId) {
        self.writes.push(Table::Slot.remove(&id.0.to_be_bytes()));
        self.state.slots.remove(&id);
        self.events.push(ControlEvent::SlotRemoved(id));
    }
}
