//! How a Raft group comes to have the members it should have: its leader takes one step, and looks again
//! when that is committed.

use crate::plan::{control_voters, desired_learners, desired_voters};
use muster_cluster::ClusterState;
use muster_types::{NodeId, SlotId};
use std::collections::BTreeSet;

/// The members of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// Whose majority decides. While voters change, the old and the new ones.
    pub voters: BTreeSet<NodeId>,
    /// Who follows only.
    pub learners: BTreeSet<NodeId>,
}

impl Members {
    /// Whether a node is one of them.
    pub fn has(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.learners.contains(&node)
    }

    /// All of them.
    fn all(&self) -> BTreeSet<NodeId> {
        self.voters.union(&self.learners).copied().collect()
    }
}

/// The members the control log should have: every member of the cluster.
pub fn control_members(state: &ClusterState) -> Members {
    let voters: BTreeSet<_> = control_voters(state).into_iter().collect();
    let others = state.members().map(|node| node.id);
    Members {
        learners: others.filter(|node| !voters.contains(node)).collect(),
        voters,
    }
}

/// The members a slot's log should have; none for an unknown slot.
pub fn slot_members(state: &ClusterState, slot: SlotId) -> Members {
    Members {
        voters: desired_voters(state, slot).into_iter().collect(),
        learners: desired_learners(state, slot).into_iter().collect(),
    }
}

/// A step of a group's leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemberStep {
    /// A change of voters that was left half done is completed.
    Complete,
    /// A node follows from here on.
    AddLearner(NodeId),
    /// The wanted voters decide from here on; who has no vote any more goes on following.
    ChangeVoters,
    /// These leave.
    RemoveLearners(BTreeSet<NodeId>),
}

/// The next step from `now` towards `wanted`, if there is one that can be taken now. `joint` says that a
/// change of voters is half done, `alive` who is in contact, the leader itself included, and `near` which
/// learners lag so little that they may vote.
pub fn member_step(
    now: &Members,
    joint: bool,
    wanted: &Members,
    alive: &BTreeSet<NodeId>,
    near: impl Fn(&NodeId) -> bool,
) -> Option<MemberStep> {
    if wanted.voters.is_empty() {
        return None;
    }
    if joint {
        return Some(MemberStep::Complete);
    }
    let (known, all) = (now.all(), wanted.all());
    if let Some(missing) = all.difference(&known).next() {
        return Some(MemberStep::AddLearner(*missing));
    }
    if wanted.voters != now.voters {
        // Whoever is to decide must be there: with voters that are gone the change might never end.
        let may = |node: &NodeId| alive.contains(node) && (now.voters.contains(node) || near(node));
        return wanted
            .voters
            .iter()
            .all(may)
            .then_some(MemberStep::ChangeVoters);
    }
    let gone: BTreeSet<_> = known.difference(&all).copied().collect();
    (!gone.is_empty()).then_some(MemberStep::RemoveLearners(gone))
}
