//! What operators ask of groups, checked against what only living nodes know: who is heard, and
//! who has the data.

use crate::{Backend, LiveView, refused, resolve};
use muster_cluster::{
    ClusterState, ControlCommand, ControlEvent, ControlOutcome, Group, Proposal, Refusal, Slot,
};
use muster_ha::{
    Readiness, check_cancel, check_failover, check_fallback, check_recover, desired_learners,
};
use muster_types::{
    Boot, GroupId, LogIndex, NodeId, Origin, Replicated, SlotId, Timestamp, Writes,
};
use std::collections::BTreeSet;
use tonic::Status;

/// A move of users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    /// From this node to its peer.
    Failover(NodeId),
    /// Home; either node of the pair is named.
    Fallback(NodeId),
    /// Everybody home, out of failed mode.
    Recover(GroupId),
    /// None: who was about to go home by itself stays; either node of the pair is named.
    Cancel(NodeId),
}

/// The command for a move, if it can be made now.
pub(crate) async fn plan(backend: &dyn Backend, wanted: Move) -> Result<ControlCommand, Status> {
    let (state, live) = (backend.cluster(), backend.live());
    let group = match wanted {
        Move::Failover(node) | Move::Fallback(node) | Move::Cancel(node) => state.group_of(node),
        Move::Recover(group) => state.group(group),
    };
    let (ready, silent) = readiness(backend, &state, &live, group).await;
    let command = match wanted {
        Move::Failover(node) => check_failover(&state, node, &ready),
        Move::Fallback(node) => check_fallback(&state, node, &ready),
        Move::Recover(group) => check_recover(&state, group, &ready),
        Move::Cancel(node) => check_cancel(&state, node),
    }
    .map_err(|refusal| refused::status(&state, &refusal))?;
    match receiver_of(&command, &silent) {
        None => Ok(command),
        Some(node) => Err(Status::failed_precondition(format!(
            "cannot tell whether {} has caught up: try again",
            resolve::name_of(&state, node)
        ))),
    }
}

/// Who is heard, which nodes of the group have all they could be given, and the slots of which
/// nobody says how far their replicas are. In these all nodes count as caught up here: what else
/// stands against a move is the better answer.
async fn readiness(
    backend: &dyn Backend,
    state: &ClusterState,
    live: &LiveView,
    group: Option<&Group>,
) -> (Readiness, BTreeSet<SlotId>) {
    let heard = state
        .members()
        .map(|node| node.id)
        .filter(|node| live.hears(*node));
    let mut ready = Readiness {
        live: heard.collect(),
        caught_up: BTreeSet::new(),
    };
    let mut silent = BTreeSet::new();
    let Some(group) = group else {
        return (ready, silent);
    };
    ready.caught_up.extend(&group.nodes);
    for slot in slots(state, group) {
        let Some(view) = backend.progress(slot.id).await else {
            silent.insert(slot.id);
            continue;
        };
        let owner = view.owner.map(|(node, _)| node);
        ready
            .caught_up
            .retain(|node| Some(*node) == owner || view.is_caught_up(*node));
    }
    (ready, silent)
}

/// The node to which a command gives one of these slots, if it gives one.
fn receiver_of(command: &ControlCommand, slots: &BTreeSet<SlotId>) -> Option<NodeId> {
    match command {
        ControlCommand::Together(parts) => parts.iter().find_map(|part| receiver_of(part, slots)),
        ControlCommand::SlotDesire { slot, node, .. } => slots.contains(slot).then_some(*node),
        _ => None,
    }
}

/// The command that switches HA on for a group: what the log would refuse is refused at once, and
/// the nodes and the third voter must be heard and have caught up.
pub(crate) async fn plan_enable(
    backend: &dyn Backend,
    group: &Group,
) -> Result<ControlCommand, Status> {
    let (state, live) = (backend.cluster(), backend.live());
    let command = ControlCommand::GroupEnableHa { group: group.id };
    dry_run(&state, &command).map_err(|refusal| refused::status(&state, &refusal))?;
    for slot in slots(&state, group) {
        let others = desired_learners(&state, slot.id);
        for node in others.iter().chain([&slot.home]) {
            if !live.hears(*node) {
                let name = resolve::name_of(&state, *node);
                return Err(Status::failed_precondition(format!(
                    "node {name} is not reachable: high availability needs both nodes and the third voter"
                )));
            }
        }
        let Some(view) = backend.progress(slot.id).await else {
            let home = resolve::name_of(&state, slot.home);
            return Err(Status::failed_precondition(format!(
                "node {home} does not say whether the others have its users' data: try again"
            )));
        };
        if let Some(behind) = others.iter().find(|node| !view.is_caught_up(**node)) {
            let has = view.matched.get(behind).copied().unwrap_or_default();
            return Err(Status::failed_precondition(format!(
                "node {} has not caught up with the users of {} yet ({has} of {} entries): try again when it has",
                resolve::name_of(&state, *behind),
                resolve::name_of(&state, slot.home),
                view.last_log,
            )));
        }
    }
    Ok(command)
}

/// What the log would say to a command now.
pub(crate) fn dry_run(state: &ClusterState, command: &ControlCommand) -> Result<(), Refusal> {
    // No node has id 0, so this proposal is never taken for a repeated one.
    let origin = Origin {
        node: NodeId(0),
        boot: Boot(0),
        serial: 0,
    };
    let proposal = Proposal {
        origin,
        at: Timestamp(0),
        command: command.clone(),
    };
    let events = state
        .clone()
        .apply(LogIndex(0), proposal, &mut Writes::new());
    match events.into_iter().next() {
        Some(ControlEvent::Outcome {
            outcome: ControlOutcome::Refused(refusal),
            ..
        }) => Err(refusal),
        _ => Ok(()),
    }
}

fn slots<'a>(state: &'a ClusterState, group: &Group) -> impl Iterator<Item = &'a Slot> {
    let id = group.id;
    state.slots().filter(move |slot| slot.group == id)
}
