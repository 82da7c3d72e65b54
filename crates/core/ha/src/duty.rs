//! What a node should do about one slot: a pure look at the facts.
//!
//! ```text
//! not leading                              -> rest
//! stopping, or no candidate for the slot   -> hand over to whoever is alive and caught up
//! should own it                            -> open
//! serves it, the plan has another          -> hand over once that one is alive and caught up
//! leads it unserved, the plan has another  -> hand over to that one while it is alive; when it is
//!                                             silent (stopped, never seen, stuck), open after a wait
//! ```

use crate::plan::keeper;
use crate::{Detector, Hearing, SlotRole, Timing, Why};
use muster_cluster::{ClusterState, Slot};
use muster_types::{Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What bears on the decision.
pub(crate) struct Facts<'a> {
    pub(crate) now: Instant,
    pub(crate) me: NodeId,
    /// When this node started to listen.
    pub(crate) started: Instant,
    pub(crate) stopping: bool,
    pub(crate) state: &'a ClusterState,
    pub(crate) slot: &'a Slot,
    pub(crate) role: &'a SlotRole,
    /// When each voter was last seen with a log equal to ours.
    pub(crate) caught_up_at: &'a BTreeMap<NodeId, Instant>,
    /// Since when this node leads the slot and it is unserved.
    pub(crate) unserved_since: Instant,
    /// Since when this node serves a slot that the plan gives to another.
    pub(crate) misplaced_since: Instant,
    pub(crate) detector: &'a Detector,
    /// Nodes that have said, while this node was listening, that they stop.
    pub(crate) went_off: &'a BTreeSet<NodeId>,
    pub(crate) timing: &'a Timing,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Duty {
    /// Nothing, until something happens.
    Rest,
    /// Nothing before this time.
    Wait(Instant),
    /// Serve the slot.
    Open(Why),
    /// Stop serving if need be, and transfer the leadership.
    HandOver(NodeId),
    /// Keep the slot: the move by plan has failed.
    KeepIt,
}

/// What this node should do about the slot.
pub(crate) fn duty(facts: &Facts<'_>) -> Duty {
    if !facts.role.leading {
        return Duty::Rest;
    }
    if facts.stopping || !facts.is_candidate(facts.me) {
        return facts.receiver().map_or(Duty::Rest, Duty::HandOver);
    }
    let desired = facts.slot.desired;
    match facts.role.opened {
        Some(_) if desired == facts.me => Duty::Rest,
        None if desired == facts.me => Duty::Open(Why::Plan),
        // Taken over, and the record of it is on its way.
        Some(epoch) if facts.slot.owner != Some((facts.me, epoch)) => Duty::Rest,
        Some(_) => facts.misplaced(desired),
        None => facts.vacant(desired),
    }
}

impl Facts<'_> {
    /// Whether a node may serve the slot.
    fn is_candidate(&self, node: NodeId) -> bool {
        let Some(group) = self.state.group(self.slot.group) else {
            return false;
        };
        let serves = self.state.node(node).is_some_and(|node| node.serves());
        let keeps = node == keeper(self.state, self.slot);
        serves && (keeps || group.ha && group.nodes.contains(&node))
    }

    /// Who could take the slot: first the node that should.
    fn receiver(&self) -> Option<NodeId> {
        let group = self.state.group(self.slot.group)?;
        let fits = |node: &NodeId| {
            *node != self.me
                && self.is_candidate(*node)
                && !self.went_off.contains(node)
                && self.detector.is_alive(self.now, *node)
                && self.nearly_caught_up(*node)
        };
        std::iter::once(self.slot.desired)
            .chain(group.nodes.iter().copied())
            .find(fits)
    }

    /// Whether a voter's log equals ours, or did a moment ago.
    fn nearly_caught_up(&self, node: NodeId) -> bool {
        let recently = |at: &Instant| self.now.since(*at) < self.timing.caught_up_window;
        self.role.caught_up.contains(&node) || self.caught_up_at.get(&node).is_some_and(recently)
    }

    /// This node serves the slot, and the plan has `desired`.
    fn misplaced(&self, desired: NodeId) -> Duty {
        if self.detector.is_alive(self.now, desired) && self.nearly_caught_up(desired) {
            return Duty::HandOver(desired);
        }
        let until = self.misplaced_since + self.timing.move_timeout;
        if self.now >= until {
            Duty::KeepIt
        } else {
            Duty::Wait(until)
        }
    }

    /// This node leads the slot, nobody serves it, and the plan has `desired`.
    fn vacant(&self, desired: NodeId) -> Duty {
        if self.went_off.contains(&desired) {
            return Duty::Open(Why::PeerReboot);
        }
        // What this node served and closed is awaited; what it was elected for may be an accident.
        let closed_here = self.role.last_open.is_some_and(|(node, _)| node == self.me);
        let (pause, patience) = if closed_here {
            (Duration::ZERO, self.timing.move_patience)
        } else {
            (self.timing.handback_pause, self.timing.handover_patience)
        };
        let settings = self.state.settings();
        let (open_at, why) = match self.detector.hearing(self.now, desired) {
            Hearing::Never => (
                self.started + settings.init_timeout,
                Why::PeerDownDuringInitialization,
            ),
            Hearing::Silent { last } => (
                last + self.detector.timeout() + settings.suspect_after,
                Why::PeerDown,
            ),
            Hearing::Alive { .. } => (self.unserved_since + patience, Why::PeerStuck),
        };
        let hand_back_at = self.unserved_since + pause;
        if self.now >= open_at {
            Duty::Open(why)
        } else if why != Why::PeerStuck || !self.role.caught_up.contains(&desired) {
            Duty::Wait(open_at)
        } else if self.now < hand_back_at {
            Duty::Wait(hand_back_at)
        } else {
            Duty::HandOver(desired)
        }
    }
}
