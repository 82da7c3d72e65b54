//! HA states of nodes, and the healthy time that begins again with each change of them.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{ControlEvent, ControlOutcome, Group, HaReason, HaState, HaStatus, Refusal};
use muster_types::{GroupId, NodeId};
use std::time::Duration;

impl Draft {
    pub(super) fn ha_transition(
        &mut self,
        node: NodeId,
        state: HaState,
        reason: HaReason,
    ) -> Applied {
        self.member(node)?;
        self.protected(node)?;
        self.set_ha(node, state, reason)?;
        Ok(ControlOutcome::Done)
    }

    /// Sets state and reason, unless they are so already.
    pub(super) fn set_ha(
        &mut self,
        id: NodeId,
        state: HaState,
        reason: HaReason,
    ) -> Result<(), Refusal> {
        let mut node = self.member(id)?;
        if node.ha.is(state, reason) {
            return Ok(());
        }
        let before = node.ha;
        let after = HaStatus {
            state,
            reason,
            since: self.at,
        };
        node.ha = after;
        self.put_node(node);
        self.group_changed_state(id);
        self.events.push(ControlEvent::HaChanged {
            node: id,
            before,
            after,
        });
        Ok(())
    }

    /// The healthy time of a node's group begins again, for its changes and for a missed beat.
    pub(super) fn group_changed_state(&mut self, id: NodeId) {
        let Some(mut group) = self.state.group_of(id).cloned() else {
            return;
        };
        for node in &group.nodes {
            if self.state.healthy.remove(node).is_some() {
                self.writes
                    .push(Table::Healthy.remove(&node.0.to_be_bytes()));
            }
        }
        group.changes += 1;
        self.put_group(group);
    }

    pub(super) fn healthy(&mut self, id: NodeId, accrued: Duration, changes: u64) -> Applied {
        self.member(id)?;
        let group = self.protected(id)?;
        if group.changes != changes {
            return Err(Refusal::StaleHealth { node: id });
        }
        if accrued.is_zero() {
            // Also for counts that are on their way: they belong to the time before.
            self.group_changed_state(id);
            return Ok(ControlOutcome::Done);
        }
        // An older count may come late.
        if accrued > self.state.healthy(id) {
            self.writes
                .push(Table::Healthy.put(&id.0.to_be_bytes(), &accrued));
            self.state.healthy.insert(id, accrued);
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn group_unchanged(&mut self, id: GroupId, changes: u64) -> Applied {
        let group = self.group(id)?;
        if group.changes == changes {
            Ok(ControlOutcome::Done)
        } else {
            Err(Refusal::GroupChanged { group: group.name })
        }
    }

    /// The node's group, if HA is on for it.
    fn protected(&self, id: NodeId) -> Result<Group, Refusal> {
        let group = self
            .state
            .group_of(id)
            .cloned()
            .ok_or(Refusal::NoGroup { node: id })?;
        if group.ha {
            Ok(group)
        } else {
            Err(Refusal::HaOff { group: group.name })
        }
    }
}
