//! Who votes where: pure functions of the cluster's state. The leaders of the Raft groups bring
//! memberships into line with them, one change at a time.

use muster_cluster::{ClusterState, Slot};
use muster_types::{NodeId, SlotId};

/// Most voters of the control log. More would slow commits and protect little more.
const CONTROL_VOTERS_MAX: usize = 7;

/// The voters a slot's Raft group should have: with HA its home node, the peer and a third;
/// without HA the home node alone, or whoever has ousted it. Empty for an unknown slot.
pub fn desired_voters(state: &ClusterState, slot: SlotId) -> Vec<NodeId> {
    let Some(slot) = state.slot(slot) else {
        return Vec::new();
    };
    let mut voters = vec![keeper(state, slot)];
    if state.group(slot.group).is_some_and(|group| group.ha) {
        voters.extend(state.peer_of(slot.home));
        voters.extend(third_voter(state, slot));
    }
    voters
}

/// The node that a slot's data is with where nobody takes over by vote: its home, or the node that has
/// ousted that one without a quorum.
pub(crate) fn keeper(state: &ClusterState, slot: &Slot) -> NodeId {
    state.ousted_by(slot.home).unwrap_or(slot.home)
}

/// The learners a slot's Raft group should have: without HA, those that would vote with it, so
/// that their data has caught up when it is enabled.
pub fn desired_learners(state: &ClusterState, slot: SlotId) -> Vec<NodeId> {
    let Some(slot) = state.slot(slot) else {
        return Vec::new();
    };
    let Some(group) = state.group(slot.group).filter(|group| !group.ha) else {
        return Vec::new();
    };
    let Some(peer) = group.peer_of(keeper(state, slot)) else {
        return Vec::new();
    };
    // One that was ousted learns nothing any more.
    let peer = Some(peer).filter(|peer| state.ousted_by(*peer).is_none());
    peer.into_iter().chain(third_voter(state, slot)).collect()
}

/// The third voter of a slot: a witness if there is one, otherwise a node of another group. Of
/// several, slots with successive ids take successive ones.
fn third_voter(state: &ClusterState, slot: &Slot) -> Option<NodeId> {
    let candidates = state.third_voters(state.group(slot.group)?);
    let serves = |id: &NodeId| state.node(*id).is_some_and(|node| node.serves());
    let choice = match candidates.iter().position(serves) {
        Some(0) | None => &candidates[..],
        Some(witnesses) => &candidates[..witnesses],
    };
    choice
        .get(usize::from(slot.id.0).checked_rem(choice.len())?)
        .copied()
}

/// The voters the control log should have: an odd number up to 7; witnesses first, then one node
/// of each group, then the second of each, then nodes in no group. A single voter is a serving
/// node: one that dies takes no more with it than its users.
pub fn control_voters(state: &ClusterState) -> Vec<NodeId> {
    let mut ranked = Vec::new();
    let members = || state.members();
    ranked.extend(members().filter(|node| !node.serves()).map(|node| node.id));
    for position in 0..2 {
        let placed = state.groups().filter_map(|group| group.nodes.get(position));
        ranked.extend(placed.filter(|node| state.ousted_by(**node).is_none()));
    }
    let ungrouped = members().filter(|n| n.serves() && state.group_of(n.id).is_none());
    ranked.extend(ungrouped.map(|node| node.id));
    match ranked.len() {
        0 => Vec::new(),
        1 | 2 => members()
            .find(|node| node.serves())
            .map(|node| node.id)
            .into_iter()
            .collect(),
        nodes => {
            ranked.truncate((nodes - 1 + nodes % 2).min(CONTROL_VOTERS_MAX));
            ranked
        }
    }
}
