//! Whether a failure now would be survived, in words.

use crate::{LiveView, resolve};
use muster_cluster::{ClusterState, Group, HaState, Slot};
use muster_ha::{advice, desired_voters};
use muster_types::NodeId;

/// How a group stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protection {
    /// The group's name.
    pub group: String,
    /// Whether the users of any one of its nodes would be served on if that node died now.
    pub protected: bool,
    /// The same in one sentence that begins with "protected" or "not protected".
    pub words: String,
}

/// How every group stands, as a node sees it that knows `state` and `live`.
pub fn protection(state: &ClusterState, live: &LiveView) -> Vec<Protection> {
    let one = |group: &Group| {
        let missing = missing(state, live, group);
        let names: Vec<_> = names(state, &group.nodes);
        let words = if missing.is_empty() {
            format!(
                "protected: if {} fails now, its users are served by the other",
                names.join(" or ")
            )
        } else {
            format!("not protected: {}", missing.join("; "))
        };
        Protection {
            group: group.name.clone(),
            protected: missing.is_empty(),
            words,
        }
    };
    state.groups().map(one).collect()
}

/// What is missing, most important first; nothing if the group is protected.
fn missing(state: &ClusterState, live: &LiveView, group: &Group) -> Vec<String> {
    if group.nodes.is_empty() {
        return vec![format!("group {} has no nodes", group.name)];
    }
    if let [only] = group.nodes[..] {
        let only = resolve::name_of(state, only);
        let group = &group.name;
        return vec![format!(
            "{only} is alone in group {group}: `musterctl group add-node {group} NODE` gives it a peer"
        )];
    }
    let ousted = |node: &NodeId| Some((*node, state.ousted_by(*node)?));
    if let Some((lost, by)) = group.nodes.iter().find_map(ousted) {
        let (name, by) = (resolve::name_of(state, lost), resolve::name_of(state, by));
        return vec![format!(
            "{by} has taken over the users of {name} without a quorum and {name} is refused until its \
             data folder is moved away: bring in a new node, then `musterctl node replace {lost} NEW`"
        )];
    }
    if !group.ha {
        let reason = if state.third_voters(group).is_empty() {
            "high availability is not enabled, and there is no third voter: bring in a witness first"
                .to_owned()
        } else {
            let name = &group.name;
            format!(
                "high availability is not enabled: `musterctl group enable-ha {name}` enables it"
            )
        };
        return vec![reason];
    }
    let mut missing = states(state, live, group);
    let slots = || state.slots().filter(|slot| slot.group == group.id);
    for slot in slots() {
        missing.extend(voters(state, live, slot));
    }
    if !live.control_quorum {
        missing.push("the cluster has no control quorum".to_owned());
    }
    // Two slots of a pair miss the same third voter: once is enough.
    let mut seen = Vec::new();
    missing.retain(|reason| {
        let new = !seen.contains(reason);
        seen.push(reason.clone());
        new
    });
    missing
}

fn states(state: &ClusterState, live: &LiveView, group: &Group) -> Vec<String> {
    let mut found = Vec::new();
    for id in &group.nodes {
        let Some(node) = state.node(*id) else {
            continue;
        };
        let (name, ha) = (&node.name, node.ha);
        if !live.hears(*id) {
            found.push(format!("{name} is not reachable"));
        } else if ha.state != HaState::Normal {
            let reason = match ha.reason.label() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            found.push(format!(
                "{name} is in state {}{reason}: {}",
                ha.state,
                advice(ha.state)
            ));
        }
    }
    found
}

/// What a slot's group of voters lacks.
fn voters(state: &ClusterState, live: &LiveView, slot: &Slot) -> Vec<String> {
    let home = resolve::name_of(state, slot.home);
    let wanted = desired_voters(state, slot.id);
    if wanted.len() < 3 {
        return vec![
            "there is no third voter: bring in a witness, or a node in another group".to_owned(),
        ];
    }
    let mut found = Vec::new();
    let pending: Vec<_> = wanted
        .iter()
        .copied()
        .filter(|node| !slot.voters.contains(node))
        .collect();
    if !pending.is_empty() {
        let pending = names(state, &pending).join(" and ");
        found.push(format!(
            "the users of {home} have no vote of {pending} yet: wait"
        ));
    }
    let silent = wanted.iter().filter(|node| !live.hears(**node));
    found.extend(silent.map(|node| format!("{} is not reachable", resolve::name_of(state, *node))));
    if let Some(view) = live.slots.get(&slot.id).filter(|view| view.leading) {
        let behind = wanted
            .iter()
            .filter(|node| **node != live.node && live.hears(**node) && !view.is_caught_up(**node));
        found.extend(behind.map(|node| {
            format!(
                "{} has not caught up with the users of {home} yet",
                resolve::name_of(state, *node)
            )
        }));
    }
    found
}

fn names(state: &ClusterState, nodes: &[NodeId]) -> Vec<String> {
    nodes
        .iter()
        .map(|node| resolve::name_of(state, *node))
        .collect()
}

#[cfg(test)]
#[path = "protection_test.rs"]
mod protection_test;
