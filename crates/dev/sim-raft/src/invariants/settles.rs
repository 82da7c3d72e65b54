//! After healing and quiet each group has an owner, and all its members have the same state.

use super::{Violation, acked_kept};
use crate::node::Seat;
use crate::sim::Sim;
use crate::state::State;
use muster_raft::RaftGroupId;
use muster_types::NodeId;
use std::rc::Rc;

/// What is not as it should be in the end.
pub(crate) fn check(sim: &Sim) -> Result<(), Violation> {
    for group in sim.group_ids() {
        of_group(sim, group)
            .map_err(|what| Violation::of("settles", format!("{group}: {what}")))?;
    }
    Ok(())
}

fn of_group(sim: &Sim, group: RaftGroupId) -> Result<(), String> {
    let wanted = sim.wanted(group);
    let mut owner = None;
    for node in &wanted.all {
        let seat = seat(sim, *node, group);
        let seat =
            seat.ok_or_else(|| format!("{node} has no replica: {}", standings(sim, group)))?;
        if seat.serving().is_some() && owner.replace(seat).is_some() {
            return Err("two owners".to_owned());
        }
    }
    let owner = owner.ok_or_else(|| format!("nobody serves: {}", standings(sim, group)))?;
    let status = owner.group.status().borrow().clone();
    let members: std::collections::BTreeSet<_> =
        status.voters.union(&status.learners).copied().collect();
    if status.changing || status.voters != wanted.voters || members != wanted.all {
        return Err(format!("wanted {wanted:?}, found {status:?}"));
    }
    for node in &wanted.all {
        let applied = seat(sim, *node, group).map(|seat| seat.group.status().borrow().applied);
        if applied != Some(status.last_log) {
            return Err(format!(
                "{node} has applied {applied:?} of {}",
                status.last_log
            ));
        }
    }
    of_states(sim, group, &owner)
}

/// How each replica stands, for whoever looks for the reason.
fn standings(sim: &Sim, group: RaftGroupId) -> String {
    let nodes: Vec<NodeId> = sim.nodes.borrow().keys().copied().collect();
    let standing = |node| {
        let seat = seat(sim, node, group)?;
        let status = seat.group.status().borrow().clone();
        Some(format!("{node} {:?} {status:?}", seat.serving()))
    };
    nodes
        .into_iter()
        .filter_map(standing)
        .collect::<Vec<_>>()
        .join("; ")
}

fn of_states(sim: &Sim, group: RaftGroupId, owner: &Rc<Seat>) -> Result<(), String> {
    let expected = owner.state();
    let mut truth = sim.truth.borrow_mut();
    let truth = truth.group(group);
    acked_kept::complete(truth, owner.replica, &expected, u64::MAX)
        .map_err(|violation| violation.to_string())?;
    for node in &sim.wanted(group).all {
        let state: Option<State> = seat(sim, *node, group).map(|seat| seat.state());
        if state.is_none_or(|state| state.head != expected.head) {
            return Err(format!("{node} differs from {}", owner.replica.node));
        }
    }
    Ok(())
}

fn seat(sim: &Sim, node: NodeId, group: RaftGroupId) -> Option<Rc<Seat>> {
    let nodes = sim.nodes.borrow();
    nodes
        .get(&node)?
        .process
        .as_ref()?
        .seats
        .get(&group)
        .cloned()
}
