//! The node's own record: its start, its HA state, and the silence of a peer it stands in for.

use super::NodeMachine;
use crate::Hearing;
use crate::boot::{Place, after_boot, peer_after_boot};
use crate::breakdown::transition;
use crate::proposals::Topic;
use crate::settle::{Held, settle, settle_peer};
use muster_cluster::{ClusterState, ControlCommand, Group, HaReason, HaState, Node, Slot};
use muster_types::{Instant, NodeId};

impl NodeMachine {
    /// `broken`: something is being done about services that failed, so the states are to follow that.
    pub(super) fn look_at_status(&mut self, now: Instant, state: &ClusterState, broken: bool) {
        let Some(node) = state.node(self.me()) else {
            return;
        };
        let group = state.group_of(node.id).filter(|group| group.ha);
        if self.stopping.is_none() && node.boot < self.identity.boot {
            return self.record_boot(now, state, node, group);
        }
        let Some(group) = group else { return };
        if self.stopping.is_some() {
            return self.record_state(now, node, HaState::Off, HaReason::None);
        }
        let Some(peer) = group.peer_of(node.id) else {
            return;
        };
        let (Some(own), Some(other)) = (state.slot_of_home(node.id), state.slot_of_home(peer))
        else {
            return;
        };
        let (own, other) = (self.held(own), self.held(other));
        // Users that this process has never served were lost by its start.
        let lost_by = if self.served_at_home {
            HaReason::PeerDown
        } else {
            HaReason::Initialization
        };
        let up = self.services.failed(now).is_none();
        if !broken
            && !self.has_unrecorded(state)
            && let Some((end, reason)) = settle(node.ha, own, other, lost_by, up)
        {
            let mut commands = vec![transition(node.id, end, reason)];
            let other_end = state
                .node(peer)
                .and_then(|other| settle_peer(node.ha.state, other.ha));
            commands.extend(other_end.map(|(end, reason)| transition(peer, end, reason)));
            self.want(now, Topic::OwnState, ControlCommand::Together(commands));
        }
        self.served_at_home |= own == Held::Mine;
        if other == Held::Mine {
            self.look_at_absent_peer(now, state, node, peer);
        }
    }

    fn record_boot(
        &mut self,
        now: Instant,
        state: &ClusterState,
        node: &Node,
        group: Option<&Group>,
    ) {
        let booted = ControlCommand::NodeBooted {
            node: node.id,
            boot: self.identity.boot,
            version: self.identity.version,
            addresses: self.identity.addresses.clone(),
        };
        let mut commands = vec![booted];
        if let Some(group) = group {
            let peer = group.peer_of(node.id).and_then(|peer| state.node(peer));
            let peer_state = peer.map_or(HaState::Unknown, |peer| peer.ha.state);
            let (own_state, reason) = after_boot(node.ha, peer_state, place(state, node.id));
            commands.push(transition(node.id, own_state, reason));
            commands.extend(peer.and_then(|peer| {
                let (state, reason) = peer_after_boot(node.ha, peer.ha)?;
                Some(transition(peer.id, state, reason))
            }));
        }
        self.want(now, Topic::Boot, ControlCommand::Together(commands));
    }

    fn record_state(&mut self, now: Instant, node: &Node, state: HaState, reason: HaReason) {
        if !node.ha.is(state, reason) {
            let command = transition(node.id, state, reason);
            self.want(now, Topic::OwnState, command);
        }
    }

    /// Who has a slot of this node's group.
    fn held(&self, slot: &Slot) -> Held {
        let served = self
            .replicas
            .get(&slot.id)
            .and_then(|replica| replica.served);
        let serving = served.is_some_and(|served| slot.owner == Some((self.me(), served.epoch)));
        if slot.desired == self.me() {
            if serving {
                Held::Mine
            } else {
                Held::BecomingMine
            }
        } else if slot.owner_node() == Some(slot.desired) {
            Held::Theirs
        } else {
            Held::BecomingTheirs
        }
    }

    /// Records once that the peer whose users are served here is not heard. When the peer lives and
    /// only the link is cut it will object, and then that stands.
    fn look_at_absent_peer(&mut self, now: Instant, state: &ClusterState, me: &Node, peer: NodeId) {
        let Some(node) = state.node(peer) else { return };
        if node.ha.state == HaState::Off {
            self.reported_silent.insert(peer);
            return self.say_why_backup(now, me, HaReason::PeerReboot);
        }
        let given_up = self.started + state.settings().init_timeout;
        let why = match self.detector.hearing(now, peer) {
            Hearing::Alive { .. } => return,
            Hearing::Silent { .. } => HaReason::PeerDown,
            Hearing::Never if now >= given_up => HaReason::PeerDownDuringInitialization,
            Hearing::Never => return self.wake_by(given_up),
        };
        match node.ha.state {
            HaState::Unreachable => {
                self.reported_silent.insert(peer);
                self.say_why_backup(now, me, why);
            }
            // What an operator did or has to look at stays on record.
            HaState::Idle | HaState::RunningInFailedMode | HaState::Off => {}
            // It ended by that.
            HaState::FailedOverCriticalServicesNotRunning
                if node.ha.reason == HaReason::DatabaseFailure => {}
            HaState::Initializing
            | HaState::Normal
            | HaState::RunningInBackupMode
            | HaState::TakingOver
            | HaState::FailingOver
            | HaState::FailedOver
            | HaState::FailedOverCriticalServicesNotRunning
            | HaState::FallingBack
            | HaState::TakingBack
            | HaState::BackupActivated
            | HaState::FailoverAffectedServices
            | HaState::Unknown => {
                if !self.reported_silent.contains(&peer) {
                    let gone = transition(peer, HaState::Unreachable, HaReason::None);
                    let mut commands = vec![gone];
                    if is_backup_for_another_reason(me, why) {
                        commands.push(transition(me.id, HaState::RunningInBackupMode, why));
                    }
                    let command = ControlCommand::Together(commands);
                    self.want(now, Topic::PeerState(peer), command);
                }
            }
        }
    }

    /// A backup says why it is one now.
    fn say_why_backup(&mut self, now: Instant, me: &Node, why: HaReason) {
        if is_backup_for_another_reason(me, why) {
            self.record_state(now, me, HaState::RunningInBackupMode, why);
        }
    }
}

/// Whose users a node should serve.
fn place(state: &ClusterState, node: NodeId) -> Place {
    let is_away = |home| state.slot_of_home(home).is_some_and(Slot::is_failed_over);
    if is_away(node) {
        Place::Away
    } else if state.peer_of(node).is_some_and(is_away) {
        Place::BacksUp
    } else {
        Place::AtHome
    }
}

/// Whether a node is backup, and what is on record is not why it is one now that its peer is gone. That
/// the peer was not heard, and that it was not heard from the start, are the same for that.
fn is_backup_for_another_reason(node: &Node, why: HaReason) -> bool {
    let not_heard = [HaReason::PeerDown, HaReason::PeerDownDuringInitialization];
    let same =
        node.ha.reason == why || not_heard.contains(&node.ha.reason) && not_heard.contains(&why);
    node.ha.state == HaState::BackupActivated
        || node.ha.state == HaState::RunningInBackupMode && !same
}
