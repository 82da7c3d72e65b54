//! When which invariant is looked at.

use super::{LATE, World};
use crate::Violation;
use crate::client::{Client, Stage};
use crate::invariants::{
    acknowledged, agreement, ghosts, messages, one_owner, settled, states, views,
};
use crate::node::{Condition, Node};
use muster_cluster::{ControlCommand, HaReason, Proposal};
use muster_types::{LogIndex, NodeId, SlotId};
use std::sync::Arc;

impl World {
    /// A slot's state took an entry.
    pub(super) fn applied(
        &mut self,
        slot: SlotId,
        index: LogIndex,
        command: &Arc<muster_slot::SlotCommand>,
    ) {
        if !self.truth.applied(self.now, slot, index, command) {
            let seen = format!("{slot} {index}: {command:?}");
            self.expect(Err(Violation::new("replicas apply the same log", seen)));
        }
    }

    /// A copy of the cluster's state took an entry.
    pub(super) fn controlled(&mut self, index: LogIndex, proposal: &Arc<Proposal>) {
        let before = self.truth.cluster.clone();
        match self.truth.controlled(index, proposal) {
            Some(false) => return,
            Some(true) => {}
            None => {
                let seen = format!("control log {index}: {proposal:?}");
                let violation = Violation::new("replicas apply the same log", seen);
                return self.expect(Err(violation));
            }
        }
        self.note(|| format!("control {index} {:?}", proposal.command));
        let after = &self.truth.cluster;
        let moves = states::check(&before, after, proposal);
        let returns = self
            .fallback
            .check(self.now, &before, after, &proposal.command);
        if let ControlCommand::Together(all) = &proposal.command {
            self.stats.takeovers += u64::from(all.iter().any(is_takeover));
        }
        self.expect(moves);
        self.expect(returns);
    }

    /// After anything a node did.
    pub(super) fn check_owner(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        let (nodes, now) = (&self.nodes, self.now);
        let mut outcome = Ok(());
        for (slot, epoch) in node.decided(now) {
            let owner = |id: &NodeId| Some((*id, nodes.get(id)?.decides(now, slot)?));
            let owners = self.servers.get(&slot).into_iter().flatten();
            let owners = owners.filter_map(owner);
            outcome = outcome
                .and_then(|()| one_owner::check(slot, owners))
                .and_then(|()| self.epochs.check(slot, id, epoch));
        }
        self.expect(outcome);
    }

    /// Now and then.
    pub(super) fn look(&mut self) {
        self.note_who_is_unwell();
        if self.disturbances.values().any(|count| *count > 0) {
            self.disturbed_at = self.now;
        }
        let quiet_since = self.disturbed_at;
        let is_well = |node: NodeId| self.nodes.get(&node).is_some_and(Node::is_well);
        let watching = |client: &&Client| match client.stage {
            Stage::On { session } => client.available && is_well(session.node),
            Stage::Off { .. } | Stage::Binding { .. } => false,
        };
        // A client that left while its owner was changing is waited for like one that was lost.
        let late = LATE + self.plan.limits.grace;
        let gone = ghosts::gone(&self.truth, self.now, (quiet_since, late));
        let mut watchers = self.clients.iter().filter(watching);
        let outcome = watchers.try_for_each(|watcher| ghosts::check(&gone, watcher));
        self.expect(outcome);
    }

    /// Who is down or paused for long enough to be missed. A restart that is quicker counts when it is
    /// recorded.
    fn note_who_is_unwell(&mut self) {
        let missed = self.plan.peer_timeout * 3 / 2;
        for node in self.nodes.values() {
            let silent = node.condition != Condition::Running;
            if silent && self.now.since(node.silent_at) > missed {
                self.fallback.unwell(self.now, node.id());
            }
        }
    }

    pub(super) fn check_end(&mut self) {
        let (truth, clients) = (&self.truth, &self.clients);
        let slots: Vec<_> = truth.cluster.slots().map(|slot| slot.id).collect();
        let ownerless = slots.into_iter().find(|slot| self.owner(*slot).is_none());
        // First what the others may follow from.
        let outcomes = [
            settled::check_owners(ownerless),
            acknowledged::check(truth),
            messages::check(truth),
            views::check(truth, clients),
            agreement::check(truth, clients),
            settled::check(&truth.cluster),
        ];
        for outcome in outcomes {
            self.expect(outcome);
        }
    }
}

/// Whether a node takes another's users without having been told to.
const fn is_takeover(command: &ControlCommand) -> bool {
    matches!(
        command,
        ControlCommand::SlotDesire {
            reason: HaReason::PeerDown
                | HaReason::PeerReboot
                | HaReason::PeerDownDuringInitialization
                | HaReason::CriticalServiceDown,
            ..
        }
    )
}
