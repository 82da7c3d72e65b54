//! What an operator can ask for, and whether it can be done now.

use crate::guard::guarded;
use crate::{HaAction, allowed_action};
use muster_cluster::{ClusterState, ControlCommand, Group, HaReason, HaState, Refusal, Slot};
use muster_types::{GroupId, NodeId};
use std::collections::BTreeSet;

/// What the log does not know of the nodes: the proposer has to find out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// Nodes that are heard.
    pub live: BTreeSet<NodeId>,
    /// Nodes that have all data of the slots they could be given.
    pub caught_up: BTreeSet<NodeId>,
}

impl Readiness {
    fn check(&self, node: NodeId) -> Result<(), Refusal> {
        if !self.live.contains(&node) {
            return Err(Refusal::PeerDown { node });
        }
        if !self.caught_up.contains(&node) {
            return Err(Refusal::PeerBehind { node });
        }
        Ok(())
    }
}

/// The command that moves `node`'s users to its peer.
///
/// # Errors
/// [`Refusal`] saying what is missing: HA, a node in state Normal, a peer in state Normal that is
/// heard and caught up.
pub fn check_failover(
    state: &ClusterState,
    node: NodeId,
    ready: &Readiness,
) -> Result<ControlCommand, Refusal> {
    let group = protected_group(state, node)?;
    let peer = group.peer_of(node).ok_or_else(|| Refusal::NotAPair {
        group: group.name.clone(),
        nodes: 1,
    })?;
    allows(state, node, HaAction::Failover)?;
    ready.check(peer)?;
    allows(state, peer, HaAction::Failover)?;
    let slot = state.slot_of_home(node).ok_or(Refusal::NoGroup { node })?;
    let reason = HaReason::AdminRequest;
    let commands = vec![
        ControlCommand::SlotDesire {
            slot: slot.id,
            node: peer,
            reason,
        },
        ControlCommand::HaTransition {
            node,
            state: HaState::FailingOver,
            reason,
        },
        ControlCommand::HaTransition {
            node: peer,
            state: HaState::TakingOver,
            reason,
        },
    ];
    Ok(guarded(state, ControlCommand::Together(commands)))
}

/// The command that moves the users home. `node` is the failed-over node or its backup.
///
/// # Errors
/// [`Refusal`] saying what is missing: a node whose users are away, in a state from which they
/// can come back, heard and caught up.
pub fn check_fallback(
    state: &ClusterState,
    node: NodeId,
    ready: &Readiness,
) -> Result<ControlCommand, Refusal> {
    let group = protected_group(state, node)?;
    let backup = state
        .node(node)
        .is_some_and(|n| n.ha.state == HaState::RunningInBackupMode);
    let home = if backup {
        group.peer_of(node).unwrap_or(node)
    } else {
        node
    };
    let away = state
        .slot_of_home(home)
        .filter(|slot| slot.is_failed_over());
    let Some(slot) = away else {
        return Err(wrong_state(state, node, HaAction::Fallback));
    };
    if matches!(ha_state(state, home), HaState::Unreachable | HaState::Off) {
        return Err(Refusal::PeerDown { node: home });
    }
    allows(state, home, HaAction::Fallback)?;
    ready.check(home)?;
    let mut commands = fall_back(slot, HaReason::AdminRequest).to_vec();
    if matches!(
        ha_state(state, slot.desired),
        HaState::Unreachable | HaState::Off
    ) {
        // It has nothing to give back, and says so itself when it is there again.
        commands.pop();
    }
    Ok(guarded(state, ControlCommand::Together(commands)))
}

/// The command that ends the count of an automatic fallback: the users stay where they are until an operator brings
/// them home. `node` is the failed-over node or its backup.
///
/// # Errors
/// [`Refusal`] where nobody is about to go home by itself.
pub fn check_cancel(state: &ClusterState, node: NodeId) -> Result<ControlCommand, Refusal> {
    let group = protected_group(state, node)?;
    let peer = group.peer_of(node).unwrap_or(node);
    let returns = |home: NodeId, backup: NodeId| {
        ha_state(state, home) == HaState::FailedOver
            && ha_state(state, backup) == HaState::RunningInBackupMode
    };
    let (home, backup) = if returns(node, peer) {
        (node, peer)
    } else if returns(peer, node) {
        (peer, node)
    } else {
        return Err(Refusal::WrongState {
            node,
            state: ha_state(state, node),
            action: "cancel a fallback".to_owned(),
        });
    };
    let reason = HaReason::AdminRequest;
    let commands = [
        (home, HaState::Idle),
        (backup, HaState::RunningInBackupMode),
    ];
    let commands = commands.map(|(node, state)| ControlCommand::HaTransition {
        node,
        state,
        reason,
    });
    Ok(guarded(state, ControlCommand::Together(commands.to_vec())))
}

/// The commands that, together, move a slot home from the backup.
pub(crate) fn fall_back(slot: &Slot, reason: HaReason) -> [ControlCommand; 3] {
    let (home, backup) = (slot.home, slot.desired);
    [
        ControlCommand::SlotDesire {
            slot: slot.id,
            node: home,
            reason,
        },
        ControlCommand::HaTransition {
            node: home,
            state: HaState::TakingBack,
            reason,
        },
        ControlCommand::HaTransition {
            node: backup,
            state: HaState::FallingBack,
            reason,
        },
    ]
}

/// The command that brings a group out of failed mode: everybody goes home.
///
/// # Errors
/// [`Refusal`] saying what is missing: a node in failed mode, both nodes heard and caught up.
pub fn check_recover(
    state: &ClusterState,
    group: GroupId,
    ready: &Readiness,
) -> Result<ControlCommand, Refusal> {
    let group = state.group(group).ok_or(Refusal::NoSuchGroup { group })?;
    if !group.ha {
        return Err(Refusal::HaOff {
            group: group.name.clone(),
        });
    }
    let failed = |node: &NodeId| ha_state(state, *node) == HaState::RunningInFailedMode;
    if !group.nodes.iter().any(failed) {
        let node = group.nodes.first().copied().unwrap_or_default();
        return Err(wrong_state(state, node, HaAction::Recover));
    }
    group.nodes.iter().try_for_each(|node| ready.check(*node))?;
    Ok(guarded(state, recover(state, group)))
}

fn recover(state: &ClusterState, group: &Group) -> ControlCommand {
    let reason = HaReason::AdminRequest;
    let away = |slot: &&Slot| slot.group == group.id && slot.is_failed_over();
    let mut commands = Vec::new();
    for node in &group.nodes {
        let (state, reason) = (HaState::Initializing, HaReason::Initialization);
        commands.push(ControlCommand::HaTransition {
            node: *node,
            state,
            reason,
        });
    }
    for slot in state.slots().filter(away) {
        commands.extend(fall_back(slot, reason));
    }
    ControlCommand::Together(commands)
}

fn protected_group(state: &ClusterState, node: NodeId) -> Result<&Group, Refusal> {
    if state.node(node).is_none_or(|node| !node.is_member()) {
        return Err(Refusal::NoSuchNode { node });
    }
    let group = state.group_of(node).ok_or(Refusal::NoGroup { node })?;
    if group.ha {
        Ok(group)
    } else {
        Err(Refusal::HaOff {
            group: group.name.clone(),
        })
    }
}

fn allows(state: &ClusterState, node: NodeId, action: HaAction) -> Result<(), Refusal> {
    if allowed_action(ha_state(state, node)) == Some(action) {
        Ok(())
    } else {
        Err(wrong_state(state, node, action))
    }
}

fn wrong_state(state: &ClusterState, node: NodeId, action: HaAction) -> Refusal {
    let action = match action {
        HaAction::Failover => "fail over",
        HaAction::Fallback => "fall back",
        HaAction::Recover => "recover",
    };
    Refusal::WrongState {
        node,
        state: ha_state(state, node),
        action: action.to_owned(),
    }
}

fn ha_state(state: &ClusterState, node: NodeId) -> HaState {
    state
        .node(node)
        .map_or(HaState::Unknown, |node| node.ha.state)
}
