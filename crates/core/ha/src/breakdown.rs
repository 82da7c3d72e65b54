//! What becomes of the users when critical services of a node are down: a pure look at the states of
//! both nodes of its group. The log has the last word, by `guarded`.
//!
//! ```text
//! at home, the peer is well               -> its users go to the peer
//! it serves both, the peer could serve    -> all users go to the peer
//! it serves both, the peer's are down too -> failed mode
//! its users are away                      -> it says that its services are down
//! each serves the other's users           -> all users go to the peer
//! it was getting users                    -> failed mode, the users stay where they are
//! it serves and nobody else could         -> it goes on as well as it can
//! ```

use crate::guard::guarded;
use muster_cluster::{ClusterState, ControlCommand, HaReason, HaState, HaStatus, Node, Slot};
use muster_types::{NodeId, SlotId};

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breakdown {
    /// The node's users go to the peer.
    FailOver(HaReason),
    /// All users go to the peer, the node's own as well.
    GiveAllBack(HaReason),
    /// Nobody can take the users, or a move has failed for this reason.
    Fail(HaReason),
    /// The users are away, and the node could not serve them.
    NotRunning(HaReason),
}

/// What to do about `failed` services of a node in a group, if anything can be done.
pub(crate) fn breakdown(
    failed: HaReason,
    me: HaStatus,
    peer: HaStatus,
    peer_lives: bool,
) -> Option<Breakdown> {
    use Breakdown as B;
    use HaState as S;
    match (me.state, peer.state) {
        (S::Normal | S::Initializing, S::Normal) => peer_lives.then_some(B::FailOver(failed)),
        (S::RunningInBackupMode, S::FailedOver | S::Idle) => {
            peer_lives.then_some(B::GiveAllBack(auto_recover(failed)))
        }
        (S::RunningInBackupMode, S::FailedOverCriticalServicesNotRunning)
        | (S::BackupActivated, S::FailoverAffectedServices) => {
            peer_lives.then_some(B::Fail(HaReason::CriticalServiceDown))
        }
        (S::FailedOver, S::FailedOver) if peer_lives => Some(B::FailOver(failed)),
        (S::FailedOver, _) => {
            let never_seen = peer.reason == HaReason::PeerDownDuringInitialization
                && me.reason == HaReason::Initialization;
            let reason = if never_seen { me.reason } else { failed };
            Some(B::NotRunning(reason))
        }
        (S::TakingBack, _) => Some(B::Fail(HaReason::StartOfCriticalServicesFailed)),
        (S::TakingOver, _) => Some(B::Fail(HaReason::TakeOverUsersFailed)),
        (
            S::Normal
            | S::Initializing
            | S::RunningInBackupMode
            | S::BackupActivated
            | S::Idle
            | S::FailingOver
            | S::FallingBack
            | S::FailedOverCriticalServicesNotRunning
            | S::FailoverAffectedServices
            | S::RunningInFailedMode
            | S::Unknown
            | S::Unreachable
            | S::Off,
            _,
        ) => None,
    }
}

/// The reason of moving everybody away from a backup that broke.
const fn auto_recover(failed: HaReason) -> HaReason {
    if matches!(failed, HaReason::DatabaseFailure) {
        HaReason::AutoRecoverDatabaseFailure
    } else {
        HaReason::AutoRecoverCriticalServiceDown
    }
}

/// The other way round: what broke.
pub(crate) const fn cause(auto: HaReason) -> HaReason {
    if matches!(auto, HaReason::AutoRecoverDatabaseFailure) {
        HaReason::DatabaseFailure
    } else {
        HaReason::CriticalServiceDown
    }
}

/// A node, its peer and their slots.
pub(crate) struct Pair<'a> {
    pub(crate) me: &'a Node,
    pub(crate) peer: &'a Node,
    pub(crate) own: &'a Slot,
    pub(crate) other: &'a Slot,
}

impl<'a> Pair<'a> {
    /// The pair of a node, if it has one under HA.
    pub(crate) fn of(state: &'a ClusterState, node: NodeId) -> Option<Self> {
        let group = state.group_of(node).filter(|group| group.ha)?;
        let peer = group.peer_of(node)?;
        Some(Self {
            me: state.node(node)?,
            peer: state.node(peer)?,
            own: state.slot_of_home(node)?,
            other: state.slot_of_home(peer)?,
        })
    }

    /// What to do about failed services of this node.
    pub(crate) fn breakdown(&self, failed: HaReason, peer_lives: bool) -> Option<Breakdown> {
        breakdown(failed, self.me.ha, self.peer.ha, peer_lives)
    }

    /// The command that does it.
    pub(crate) fn plan(&self, breakdown: Breakdown) -> ControlCommand {
        use HaState as S;
        let (me, peer) = (self.me.id, self.peer.id);
        ControlCommand::Together(match breakdown {
            Breakdown::FailOver(reason) => {
                let slots = [self.own, self.other].into_iter();
                let elsewhere = slots.filter(|slot| slot.desired != peer);
                let mut commands: Vec<_> = elsewhere
                    .map(|slot| desire(slot.id, peer, reason))
                    .collect();
                commands.extend([
                    transition(me, S::FailedOverCriticalServicesNotRunning, reason),
                    transition(peer, S::RunningInBackupMode, reason),
                ]);
                commands
            }
            Breakdown::GiveAllBack(reason) => vec![
                desire(self.other.id, peer, reason),
                desire(self.own.id, peer, reason),
                transition(me, S::FailoverAffectedServices, reason),
                transition(peer, S::BackupActivated, reason),
            ],
            Breakdown::Fail(reason) => {
                let mut commands = self.undo_move(reason);
                commands.push(transition(me, S::RunningInFailedMode, reason));
                commands.push(transition(peer, S::RunningInFailedMode, reason));
                commands
            }
            Breakdown::NotRunning(reason) => {
                let mut commands = vec![transition(
                    me,
                    S::FailedOverCriticalServicesNotRunning,
                    reason,
                )];
                // From here on that is why the peer goes on as backup.
                let backup = self.peer.ha.state == S::RunningInBackupMode;
                if backup && reason != HaReason::Initialization {
                    commands.push(transition(peer, S::RunningInBackupMode, reason));
                }
                commands
            }
        })
    }

    /// The users that were on their way to this node stay with the peer.
    fn undo_move(&self, reason: HaReason) -> Vec<ControlCommand> {
        let state = self.me.ha.state;
        let own = (state == HaState::TakingBack).then_some(self.own.id);
        let other = (state == HaState::TakingOver).then_some(self.other.id);
        let coming = own.or(other);
        let stays = coming.map(|slot| desire(slot, self.peer.id, reason));
        stays.into_iter().collect()
    }

    /// The services of a backup that broke run again: it waits for its users like any failed-over node.
    pub(crate) fn recovered_backup(&self) -> Option<ControlCommand> {
        let (me, peer) = (self.me.ha, self.peer.ha);
        let affected = me.state == HaState::FailoverAffectedServices;
        (affected && peer.state == HaState::BackupActivated).then(|| {
            let reason = cause(me.reason);
            ControlCommand::Together(vec![
                transition(self.me.id, HaState::FailedOver, reason),
                transition(self.peer.id, HaState::RunningInBackupMode, reason),
            ])
        })
    }
}

/// The last thing a node can say whose store has failed: that its users, or all, go to the peer. `None`
/// when nobody could take them.
pub fn store_lost(state: &ClusterState, node: NodeId, peer_lives: bool) -> Option<ControlCommand> {
    let pair = Pair::of(state, node)?;
    let breakdown = pair.breakdown(HaReason::DatabaseFailure, peer_lives)?;
    Some(guarded(state, pair.plan(breakdown)))
}

fn desire(slot: SlotId, node: NodeId, reason: HaReason) -> ControlCommand {
    ControlCommand::SlotDesire { slot, node, reason }
}

pub(crate) fn transition(node: NodeId, state: HaState, reason: HaReason) -> ControlCommand {
    ControlCommand::HaTransition {
        node,
        state,
        reason,
    }
}

#[cfg(test)]
#[path = "breakdown_test.rs"]
mod breakdown_test;
