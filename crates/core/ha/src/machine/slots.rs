//! One slot: finding the duty and doing it, and recording what was opened.

use super::NodeMachine;
use crate::breakdown::transition;
use crate::duty::{Duty, Facts, duty};
use crate::proposals::Topic;
use crate::{HaEvent, Output, SlotRole, Why};
use muster_cluster::{ClusterState, ControlCommand, HaReason, HaState, Slot};
use muster_types::{Epoch, Instant, NodeId, SlotId};
use std::collections::BTreeMap;
use std::time::Duration;

/// This node's part in a slot, and what it is doing about it.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) role: SlotRole,
    caught_up_at: BTreeMap<NodeId, Instant>,
    unserved_since: Option<Instant>,
    misplaced_since: Option<Instant>,
    /// Why `OpenSlot` was asked for, and when.
    opening: Option<(Why, Instant)>,
    closing_at: Option<Instant>,
    /// Since when the slot is asked to close in vain.
    closing_since: Option<Instant>,
    /// The transfer asked for last.
    transfer_to: NodeId,
    /// Before this no transfer is asked for (again).
    transfer_after: Option<Instant>,
    pub(super) served: Option<Served>,
}

/// How this node came to serve the slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) epoch: Epoch,
    why: Why,
    gap: Duration,
}

impl Replica {
    fn new(slot: SlotId) -> Self {
        Self {
            role: SlotRole::idle(slot),
            caught_up_at: BTreeMap::new(),
            unserved_since: None,
            misplaced_since: None,
            opening: None,
            closing_at: None,
            closing_since: None,
            transfer_to: NodeId::default(),
            transfer_after: None,
            served: None,
        }
    }

    fn take_role(&mut self, now: Instant, role: SlotRole) {
        for node in self.role.caught_up.iter().chain(&role.caught_up) {
            self.caught_up_at.insert(*node, now);
        }
        if role.last_open != self.role.last_open || role.opened.is_some() {
            self.unserved_since = None;
        }
        if !role.leading {
            self.caught_up_at.clear();
            (self.opening, self.closing_at, self.transfer_after) = (None, None, None);
        }
        if role.opened.is_none() {
            (self.closing_at, self.served) = (None, None);
        }
        if role.opened.is_none() || !role.leading {
            self.closing_since = None;
        }
        self.role = role;
    }

    /// Keeps the two times that patience is measured from.
    fn note_times(&mut self, now: Instant, me: NodeId, slot: &Slot) {
        if self.role.leading && self.role.opened.is_none() {
            self.unserved_since.get_or_insert(now);
        }
        let recorded = self
            .role
            .opened
            .is_some_and(|epoch| slot.owner == Some((me, epoch)));
        if recorded && slot.desired != me {
            self.misplaced_since.get_or_insert(now);
        } else {
            self.misplaced_since = None;
        }
    }
}

impl NodeMachine {
    pub(super) fn on_role(&mut self, now: Instant, role: SlotRole) {
        let slot = role.slot;
        let replica = self
            .replicas
            .entry(slot)
            .or_insert_with(|| Replica::new(slot));
        let (was, is) = (replica.role.opened, role.opened);
        let Some(epoch) = is.filter(|_| is != was) else {
            return replica.take_role(now, role);
        };
        let (why, _) = replica.opening.take().unwrap_or((Why::Plan, now));
        let before = replica.role.last_open.map(|(node, _)| node);
        let heard = before
            .filter(|_| why == Why::PeerDown)
            .and_then(|n| self.detector.last_heard(n));
        let gap = now.since(heard.or(replica.unserved_since).unwrap_or(now));
        replica.take_role(now, role);
        replica.served = Some(Served { epoch, why, gap });
        self.out.push_back(Output::Event(HaEvent::Opened {
            slot,
            epoch,
            why,
            before,
            gap,
        }));
    }

    pub(super) fn on_transferred(&mut self, now: Instant, slot: SlotId, ok: bool) {
        let Some(replica) = self.replicas.get_mut(&slot).filter(|_| !ok) else {
            return;
        };
        replica.transfer_after = Some(now + self.timing.transfer_pause);
        let to = replica.transfer_to;
        self.out
            .push_back(Output::Event(HaEvent::TransferFailed { slot, to }));
    }

    pub(super) fn look_at_slot(&mut self, now: Instant, state: &ClusterState, slot: &Slot) {
        let me = self.me();
        let Some(replica) = self.replicas.get_mut(&slot.id) else {
            return;
        };
        replica.note_times(now, me, slot);
        let duty = duty(&Facts {
            now,
            me,
            started: self.started,
            stopping: self.stopping.is_some(),
            state,
            slot,
            role: &replica.role,
            caught_up_at: &replica.caught_up_at,
            unserved_since: replica.unserved_since.unwrap_or(now),
            misplaced_since: replica.misplaced_since.unwrap_or(now),
            detector: &self.detector,
            went_off: &self.went_off,
            timing: &self.timing,
        });
        if !matches!(duty, Duty::HandOver(_)) {
            replica.closing_since = None;
        }
        match duty {
            Duty::Rest => {}
            Duty::Wait(until) => self.wake_by(until),
            Duty::Open(why) => self.open(now, slot.id, why),
            Duty::HandOver(to) => self.hand_over(now, state, slot.id, to),
            Duty::KeepIt => self.keep(now, slot),
        }
        self.record(now, state, slot);
    }

    fn open(&mut self, now: Instant, slot: SlotId, why: Why) {
        let retry = self.timing.open_retry;
        let Some(replica) = self.replicas.get_mut(&slot) else {
            return;
        };
        let asked = replica.opening.filter(|(_, asked)| now < *asked + retry);
        let (_, asked) = asked.unwrap_or_else(|| {
            self.out.push_back(Output::OpenSlot(slot));
            (why, now)
        });
        replica.opening = Some((why, asked));
        self.wake_by(asked + retry);
    }

    fn hand_over(&mut self, now: Instant, state: &ClusterState, slot: SlotId, to: NodeId) {
        if let Some(until) = self.waits_for_off(now, state) {
            return self.wake_by(until);
        }
        let timing = &self.timing;
        let Some(replica) = self.replicas.get_mut(&slot) else {
            return;
        };
        // What is just being opened is closed properly once it is.
        let opening_until = replica.opening.map(|(_, asked)| asked + timing.open_retry);
        if let Some(until) = opening_until.filter(|until| now < *until) {
            return self.wake_by(until);
        }
        let is_open = replica.role.opened.is_some();
        let is_stuck =
            is_open && now >= *replica.closing_since.get_or_insert(now) + timing.close_patience;
        let (due, wait, output) = if is_open && !is_stuck {
            (
                &mut replica.closing_at,
                timing.open_retry,
                Output::CloseSlot(slot),
            )
        } else {
            replica.transfer_to = to;
            (
                &mut replica.transfer_after,
                timing.transfer_timeout,
                Output::Transfer { slot, to },
            )
        };
        if due.is_none_or(|due| now >= due) {
            *due = Some(now + wait);
            if is_stuck {
                self.out.push_back(Output::Event(HaEvent::Stuck(slot)));
            }
            if matches!(output, Output::Transfer { .. }) {
                self.out
                    .push_back(Output::Event(HaEvent::HandingOver { slot, to }));
            }
            self.out.push_back(output);
        }
        let again = due.unwrap_or(now);
        self.wake_by(again);
    }

    /// A stopping node first records that it is off, so that its peer does not hand back what it is
    /// given; but it does not insist.
    fn waits_for_off(&self, now: Instant, state: &ClusterState) -> Option<Instant> {
        let until = self.stopping?.since + self.timing.stop_patience;
        let group = state.group_of(self.me()).filter(|group| group.ha)?;
        let node = state
            .node(self.me())
            .filter(|node| node.ha.state != HaState::Off)?;
        (now < until && group.nodes.contains(&node.id)).then_some(until)
    }

    /// The plan's node does not take the slot: this one keeps it, and an operator has to look.
    fn keep(&mut self, now: Instant, slot: &Slot) {
        let to = slot.desired;
        let reason = failed_move(slot);
        let failed = |node| ControlCommand::HaTransition {
            node,
            state: HaState::RunningInFailedMode,
            reason,
        };
        let node = self.me();
        let command = ControlCommand::Together(vec![
            ControlCommand::SlotDesire {
                slot: slot.id,
                node,
                reason,
            },
            failed(to),
            failed(node),
        ]);
        if self.want(now, Topic::MoveFailed(slot.id), command) {
            self.out
                .push_back(Output::Event(HaEvent::MoveFailed { slot: slot.id, to }));
        }
    }

    /// Records in the control log what this node has opened.
    fn record(&mut self, now: Instant, state: &ClusterState, slot: &Slot) {
        let me = self.me();
        let Some(served) = self
            .replicas
            .get(&slot.id)
            .and_then(|replica| replica.served)
        else {
            return;
        };
        if slot.owner.is_some_and(|(_, epoch)| epoch >= served.epoch) {
            return;
        }
        let Served { epoch, why, gap } = served;
        let owned = ControlCommand::SlotOwned {
            slot: slot.id,
            node: me,
            epoch,
            gap: Some(gap),
        };
        let protected = state.group(slot.group).is_some_and(|group| group.ha);
        let command = if why == Why::Plan || slot.desired == me || !protected {
            owned
        } else {
            let desire = ControlCommand::SlotDesire {
                slot: slot.id,
                node: me,
                reason: why.reason(),
            };
            let mut commands = vec![owned, desire];
            commands.extend(states_after_takeover(state, slot, me, why));
            ControlCommand::Together(commands)
        };
        self.want(now, Topic::Owned(slot.id), command);
    }

    /// Whether this node serves a slot and the control log does not know yet.
    pub(super) fn has_unrecorded(&self, state: &ClusterState) -> bool {
        self.replicas.values().any(|replica| {
            let recorded = state.slot(replica.role.slot).and_then(|slot| slot.owner);
            replica
                .served
                .is_some_and(|served| recorded.is_none_or(|(_, epoch)| epoch < served.epoch))
        })
    }

    /// Whether a slot that this node leads could be taken by another that is alive.
    pub(super) fn holds_what_others_could_take(&self, state: &ClusterState) -> bool {
        let leads = self
            .replicas
            .values()
            .filter(|replica| replica.role.leading);
        leads
            .filter_map(|replica| state.slot(replica.role.slot))
            .any(|slot| {
                let group = state.group(slot.group);
                group.is_some_and(|g| {
                    g.nodes
                        .iter()
                        .any(|n| (g.ha || *n == slot.home) && self.alive.contains(n))
                })
            })
    }
}

/// States of both nodes once `me` serves a slot that `slot.desired` should have served.
fn states_after_takeover(
    state: &ClusterState,
    slot: &Slot,
    me: NodeId,
    why: Why,
) -> Vec<ControlCommand> {
    let gone = slot.desired;
    let moving = [me, gone]
        .into_iter()
        .filter_map(|node| state.node(node))
        .any(|node| {
            matches!(
                node.ha.state,
                HaState::TakingOver
                    | HaState::FailingOver
                    | HaState::TakingBack
                    | HaState::FallingBack
            )
        });
    let failed = (HaState::RunningInFailedMode, failed_move(slot));
    let backup = (HaState::RunningInBackupMode, why.reason());
    let (theirs, mine) = match why {
        Why::PeerStuck if moving => (Some(failed), Some(failed)),
        Why::PeerStuck if slot.home == me && is_at_home(state, gone) => {
            return serve_their_own(state, me, gone);
        }
        Why::PeerStuck => {
            let state = HaState::FailedOverCriticalServicesNotRunning;
            (Some((state, why.reason())), Some(backup))
        }
        Why::PeerDown | Why::PeerDownDuringInitialization => {
            (Some((HaState::Unreachable, HaReason::None)), Some(backup))
        }
        Why::PeerReboot => (None, Some(backup)),
        Why::Plan => (None, None),
    };
    // Also the node that takes its own users back from a backup: that one's users come with them.
    let theirs = theirs.map(|status| (gone, status));
    let mine = mine.map(|status| (me, status));
    let theirs_and_mine = theirs.into_iter().chain(mine);
    theirs_and_mine
        .map(|(node, (state, reason))| transition(node, state, reason))
        .collect()
}

/// Whether a node's own users should be with it.
fn is_at_home(state: &ClusterState, node: NodeId) -> bool {
    state
        .slot_of_home(node)
        .is_some_and(|slot| slot.desired == node)
}

/// A node took its users back from a backup that does not serve them: each has its own again. What an
/// operator has to look at stays on record.
fn serve_their_own(state: &ClusterState, me: NodeId, backup: NodeId) -> Vec<ControlCommand> {
    let nodes = [backup, me];
    let failed = |node: &NodeId| {
        let node = state.node(*node);
        node.is_some_and(|node| node.ha.state == HaState::RunningInFailedMode)
    };
    if nodes.iter().any(failed) {
        return Vec::new();
    }
    let normal = |node| transition(node, HaState::Normal, HaReason::None);
    nodes.into_iter().map(normal).collect()
}

/// The reason of a move that failed.
fn failed_move(slot: &Slot) -> HaReason {
    if slot.is_failed_over() {
        HaReason::TakeOverUsersFailed
    } else {
        HaReason::TakeBackUsersFailed
    }
}
